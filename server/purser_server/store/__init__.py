"""PostgreSQL: tables, statements and migrations. The only room that knows SQL."""
