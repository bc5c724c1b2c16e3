module savepoint.example/clients/go

go 1.19

require savepoint.example/go v0.0.0

replace savepoint.example/go => ./stubs/src/savepoint.example/go
