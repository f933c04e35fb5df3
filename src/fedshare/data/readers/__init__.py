"""From files, frames and rows to ``Interactions``, one step a module.

    content     what a path holds: told by its first bytes, unpacked within a limit, decoded
    dialect     how text is written: separator, quotes, header, comments
    delimited, json_form, parquet, lists, recbole, movielens, folder, frames     one form each: a ``Table``
    roles       which column plays which role
    ids, times, numbers, events     what stands in a column
    assemble    from a ``Table`` to ``Interactions``

Readers are imported when they are needed, since they need polars and most of the library does not.
"""
