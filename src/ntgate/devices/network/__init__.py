"""The network of a machine that has no cable: loopback between its own processes, and no more.

Nothing here opens a socket of the host.  `addresses` and `ports` say what can be reached and by
whom; `stream` is TCP, `datagrams` UDP; `socket` an open file on \\Device\\Afd, `controls` what
programs ask of it, `transfer`, `accept` and `connect` the requests that may wait, `events` and
`polls` how they learn that something has happened.
"""
