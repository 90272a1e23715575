"""The write path: concurrent calls are combined, decided under lock, and written as one.

`combiner` takes the calls; the `queue` hands them to the lanes; a `lane` flushes, again and again;
`batch` decides a flush with the pure rules of `domain`; `ports` says what it needs of a store.
"""
