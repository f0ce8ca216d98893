"""The tables: the only room that imports DuckDB.

`schema` is the SQL text of the file, `connection` the one door to the driver, `lease` decides which process has the
file and for how long, `merge` folds journals into the tables, `apply` holds the rule of replacement as SQL, and
`load` brings whole frames and files in.
"""
