import CustodyDomain
import CustodyStore
import Postgres
import TestSupport
import Testing

/// The error of PostgreSQL's that a body throws; nil, and a failed test, when it throws nothing or something else.
func failure(_ body: () async throws -> Void) async -> PostgresError? {
    do {
        try await body()
        Issue.record("nothing was thrown")
    } catch let error as PostgresError {
        return error
    } catch {
        Issue.record("not a PostgresError: \(error)")
    }
    return nil
}

/// Runs SQL as the app role inside a transaction of a tenant, as a verb with a mistake in it would.
func wrongSQL(
    _ world: World, _ sql: SQL
) async throws -> Rows {
    try await world.test.withConnection(as: .app) { connection in
        let rows = try await connection.pipeline([
            "BEGIN", "SELECT set_config('app.tenant_id', \(world.tenantID.uuid.text), true)", sql, "COMMIT",
        ])
        return rows[2]
    }
}

/// Runs bodies at once and answers with what each came to, in their order.
func together<Value: Sendable>(
    _ count: Int, _ body: @escaping @Sendable (Int) async throws -> Value
) async -> [Result<Value, any Error>] {
    await withTaskGroup(of: (Int, Result<Value, any Error>).self) { group in
        for index in 0..<count {
            group.addTask {
                do { return (index, .success(try await body(index))) } catch { return (index, .failure(error)) }
            }
        }
        var results: [Int: Result<Value, any Error>] = [:]
        for await (index, result) in group { results[index] = result }
        return results.sorted { $0.key < $1.key }.map(\.value)
    }
}

extension Result {
    /// Whether it is a value.
    var isSuccess: Bool { if case .success = self { true } else { false } }

    /// The rejection it failed with.
    var rejection: Rejection? { if case .failure(let error) = self { error as? Rejection } else { nil } }
}
