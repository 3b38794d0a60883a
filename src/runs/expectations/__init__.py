"""Whether the data of a day is stored by the time that a contract expects (`expect`)."""
