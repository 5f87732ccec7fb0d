import CustodyDomain
import CustodyStore
import Postgres

/// Jobs that wait for a person.
extension World {
    /// Why each of them died, the first to die first.
    public func deadLetters() async throws -> [String] {
        try await test.withConnection(as: .superuser) { connection in
            try await connection.query("SELECT reason FROM custody.job_dead ORDER BY died_at").map {
                try $0.get("reason")
            }
        }
    }

    /// Puts all of them back, as `custody job retry` does.
    public func raiseDeadJobs() async throws {
        let ids = try await test.withConnection(as: .superuser) { connection in
            try await connection.query("SELECT id FROM custody.job_dead").map { try $0.get("id", as: ID<Job>.self) }
        }
        for id in ids { try await store.withSystem { try await $0.retryDeadJob(id) } }
    }
}
