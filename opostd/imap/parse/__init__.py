"""Commands to values: each parser takes a cursor behind the command's name and returns a frozen value.

Pure: a parser never waits, logs or looks at state.  It raises BadSyntax with an offset, or an error of ``faults``
where the grammar is kept and the answer is no all the same.
"""
