/// Something a test waited for and did not see.
public struct NeverHappened: Error, CustomStringConvertible {
    /// What it was.
    public let description: String

    /// Makes one.
    public init(description: String) { self.description = description }
}

/// Waits until something is so.
///
/// - Parameter limit: Only bounds a test that fails: generous, so that a machine with much else to do fails none.
/// - Throws: ``NeverHappened`` after the limit.
public func eventually(
    _ what: String, within limit: Duration = .seconds(60), _ condition: () async throws -> Bool
) async throws {
    let deadline = ContinuousClock.now + limit
    while try await !condition() {
        guard ContinuousClock.now < deadline else { throw NeverHappened(description: what) }
        try await Task.sleep(for: .milliseconds(20))
    }
}
