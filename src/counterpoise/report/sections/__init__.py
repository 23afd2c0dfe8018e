"""The sections of the report page, a file for each topic: from facts to a `Part`; `report/tasks` lists them."""
