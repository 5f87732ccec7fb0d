import CustodyDomain
import CustodyWire

/// The part of `/control` that all simulators share: the clock and the faults.
public struct ControlRoutes: Sendable {
    private let clock: SimulatorClock
    private let faults: FaultRules

    /// Serves a simulator's clock and faults.
    public init(clock: SimulatorClock, faults: FaultRules) {
        self.clock = clock
        self.faults = faults
    }

    /// Answers `PUT /control/clock`, `GET /control/clock?merchant=…`, and `POST`, `GET`, `DELETE /control/faults`.
    ///
    /// - Returns: nil for every other request.
    public func answer(_ request: SimulatorRequest) async -> SimulatorResponse? {
        switch (request.method, request.path) {
        case ("PUT", "/control/clock"):
            guard let merchant = request.json?["merchant"]?.string,
                let now = request.json?["now"]?.string.flatMap({ Instant(text: $0) })
            else { return .controlError(400, "merchant and now (RFC 3339) are needed") }
            await clock.set(merchant, to: now)
            return time(of: merchant)
        case ("GET", "/control/clock"):
            guard let merchant = request.queryField("merchant") else {
                return .controlError(400, "merchant is needed")
            }
            return time(of: merchant)
        case ("POST", "/control/faults"):
            guard let rule = request.json.flatMap({ FaultRule($0) }) else {
                return .controlError(400, "operation and fault are needed")
            }
            faults.plant(rule)
            return .json(["planted": 1])
        case ("GET", "/control/faults"):
            return .json([
                "faults": .array(
                    faults.all.map {
                        ["operation": .string($0.operation), "fault": .string($0.fault), "count": JSON($0.count)]
                    })
            ])
        case ("DELETE", "/control/faults"):
            faults.clear()
            return .json(["planted": 0])
        default: return nil
        }
    }

    private func time(of merchant: String) -> SimulatorResponse {
        .json([
            "merchant": .string(merchant), "now": .string(clock.now(of: merchant).rfc3339),
            "pending_events": JSON(clock.pendingCount(of: merchant)),
        ])
    }
}
