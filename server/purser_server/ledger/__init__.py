"""The write path: concurrent calls are combined, decided under lock, and written as one.

`combiner` takes the calls; the `queue` hands them to the lanes; a `lane` flushes, again and again;
`batch` decides a flush with the pure rules of `domain`; `ports` says what it needs of a store.

While a flush is decided, `state` is what is known and what is to be written; `intents`,
`loyalty_state` with `loyalty_book`, and `prizes` keep what is not of wallets and rounds. Commands
beyond wallets go through `seamless`, `prizes`, and `loyalty` with `points`, `rewards`, `refunds`:
each looks things up, asks the rules of `domain`, and records what they say.
"""
