"""The demo: 154 years of international football, played through the gateway.

A team is a player, a match is a match, a rating is Elo's. The way through: `results` reads the file, `rating` says what
each match does to both teams, `league` names everything, `players` signs the teams up, `season` makes three calls a
match, `readback` compares what Savepoint then says with our own sums, `report` prints it.
"""
