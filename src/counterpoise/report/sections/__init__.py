"""The sections of the report, one file per topic. Each turns facts into a `Part`; `report/tasks` lists them."""
