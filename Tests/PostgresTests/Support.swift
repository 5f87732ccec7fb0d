import Logging
import Postgres
import Synchronization
import Testing

let quiet = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

/// The error a body throws, which must be one of PostgreSQL's.
func failure(_ body: () async throws -> Void) async -> PostgresError? {
    do {
        try await body()
        Issue.record("nothing was thrown")
        return nil
    } catch let error as PostgresError {
        return error
    } catch {
        Issue.record("not a PostgresError: \(error)")
        return nil
    }
}

/// A number that several tasks change.
final class Counter: Sendable {
    private let number = Mutex(0)

    var value: Int { number.withLock { $0 } }

    @discardableResult func add(_ amount: Int) -> Int {
        number.withLock { number in
            number += amount
            return number
        }
    }

    func raise(to least: Int) { number.withLock { $0 = max($0, least) } }
}
