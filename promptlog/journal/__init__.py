"""The journal: what is logged and not yet in the tables.

Each process appends to a segment of its own, a file of one JSON record a line, with one `write` a record. It holds
an exclusive `flock` on that segment for life, so that a free lock means a dead writer. The merge reads whole lines
from the offset it recorded, and sweeps segments that are dead and wholly applied. This package knows bytes and
locks; what a record means is `models.record`, what becomes of it `database.merge`.
"""
