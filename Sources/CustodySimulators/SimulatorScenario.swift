import CustodyWire

/// A scenario: control requests, `[{"method","path","body"}, …]`, played in their order when a simulator starts.
public struct SimulatorScenario: Sendable {
    /// Why a scenario was not played to its end.
    public struct Failure: Error, CustomStringConvertible {
        /// Which step, from 1 on; 0 for the whole.
        public let step: Int
        /// What was wrong with it, or what the simulator said.
        public let reason: String

        /// For people.
        public var description: String { "step \(step) of the scenario: \(reason)" }
    }

    private let requests: [SimulatorRequest]

    /// Reads a scenario whole, or refuses it whole. A method left out is `POST`.
    public init(_ json: JSON) throws(Failure) {
        guard let steps = json.array else { throw Failure(step: 0, reason: "no list of steps") }
        var requests: [SimulatorRequest] = []
        for (index, step) in steps.enumerated() {
            guard let path = step["path"]?.string, path.hasPrefix("/control/") else {
                throw Failure(step: index + 1, reason: "path is no control's")
            }
            let parts = path.split(separator: "?", maxSplits: 1).map(String.init)
            requests.append(
                SimulatorRequest(
                    method: step["method"]?.string ?? "POST", path: parts[0], query: parts.count > 1 ? parts[1] : "",
                    body: step["body"]?.bytes ?? []))
        }
        self.requests = requests
    }

    /// Plays it; a step that is refused ends it.
    public func play(on answer: (SimulatorRequest) async -> SimulatorResponse) async throws(Failure) {
        for (index, request) in requests.enumerated() {
            guard case .answer(let status, _, let body) = await answer(request) else {
                throw Failure(step: index + 1, reason: "no answer")
            }
            guard status < 300 else {
                throw Failure(step: index + 1, reason: String(decoding: body, as: UTF8.self))
            }
        }
    }
}
