import CustodyWire

/// Scenarios: what is to go wrong, written down.
extension BankSimulator {
    /// Plays a scenario: a list of control requests, `{"method","path","body"}`, in their order.
    ///
    /// - Throws: ``ScenarioFailed`` with the first that is refused.
    public func play(_ scenario: JSON) async throws {
        guard let steps = scenario.array else { throw ScenarioFailed(step: 0, answer: "no list of steps") }
        for (index, step) in steps.enumerated() {
            guard let path = step["path"]?.string, path.hasPrefix("/control/") else {
                throw ScenarioFailed(step: index + 1, answer: "path is no control's")
            }
            let parts = path.split(separator: "?", maxSplits: 1).map(String.init)
            let response = await control(
                SimulatorRequest(
                    method: step["method"]?.string ?? "POST", path: parts[0], query: parts.count > 1 ? parts[1] : "",
                    body: step["body"]?.bytes ?? []))
            guard case .answer(let status, _, let body) = response else {
                throw ScenarioFailed(step: index + 1, answer: "no answer")
            }
            guard status < 300 else {
                throw ScenarioFailed(step: index + 1, answer: String(decoding: body, as: UTF8.self))
            }
        }
    }

    /// A step of a scenario that the simulator refused.
    public struct ScenarioFailed: Error, CustomStringConvertible {
        /// Which step, from 1 on; 0 for the whole.
        public let step: Int
        /// What the simulator said.
        public let answer: String

        /// For people.
        public var description: String { "step \(step) of the scenario: \(answer)" }
    }
}
