"""Before the first run: what is in a folder of images, which parameters suit it, and what a run will take.

`folder` lists files, `tables` and `formats` find labels, `survey` reads them as the stage `ingest` does but decodes few
images, `proposal` and `writing` make `params.yaml` of it, `rehearsal` splits and tiles in memory, and `estimates` says
how long a run takes.
"""
