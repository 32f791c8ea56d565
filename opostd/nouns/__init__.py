"""What is told of posts, groups, held posts and subscriptions: the same shape for the API and for ``--json``.

Only reading; who may read what is the caller's to see to, but where a function takes an account.
"""
