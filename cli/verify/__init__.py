"""`pipeline verify`: checks on a deployment what no document and no test of ours can show.

`claims` lists what is claimed, `probes` the runs that are sent, the `*_checks` modules how each
claim is checked, and `command` puts them together.
"""
