"""Which objects units have stored already, for runs that take new ones only (`onlyNew`).

Files in the data bucket, per dataset, index and query (`contracts.source.only_new.Scope`). Each run
that ends writes one with what its units have stored; from time to time many are merged into one.
"""
