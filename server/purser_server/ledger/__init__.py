"""The write path: concurrent calls are combined, decided under lock, and written as one.

`combiner` spreads calls over lanes; a `lane` flushes what waits, again and again; `batch` decides
a flush with the pure rules of `domain`; `ports` says what it needs of a store.
"""
