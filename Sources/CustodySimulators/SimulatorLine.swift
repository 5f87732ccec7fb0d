import CustodyDomain
import CustodyWire
import NIOSSL
import Synchronization

/// The line that a simulator is reached by, and what is wrong with it: TLS, slow handshakes, nobody there, strangers turned
/// away, a clock that is off. `PUT /control/line` changes it.
///
/// What goes wrong with one answer is planted as a fault instead, see ``LineFault``.
public final class SimulatorLine: Sendable {
    private struct State {
        var tls: SimulatorTLS?
        var context: NIOSSLContext?
        var handshakeDelay: Duration = .zero
        var allowed: Set<String>?
        var clockOffset: Duration = .zero
        /// How long nobody listens, from the next moment on.
        var pause: Duration?
    }

    private let state = Mutex(State())

    /// A line as it should be.
    ///
    /// - Throws: `NIOSSLError` when a certificate or key cannot be read.
    public init(tls: SimulatorTLS? = nil) throws {
        let context = try tls?.context()
        state.withLock { ($0.tls, $0.context) = (tls, context) }
    }

    /// A line without TLS.
    public init() {}

    /// Whether it speaks TLS now.
    public var isEncrypted: Bool { state.withLock { $0.tls != nil } }

    /// Real time as this counterparty's own clock has it.
    public var realNow: Instant { SimulatorClock.realNow() + clockOffset }

    var clockOffset: Duration { state.withLock { $0.clockOffset } }

    /// What a new connection is met with; nil for an address that is not allowed.
    func reception(of address: String) -> (delay: Duration, context: NIOSSLContext?)? {
        state.withLock { state in
            guard state.allowed?.contains(address) ?? true else { return nil }
            return (state.handshakeDelay, state.context)
        }
    }

    /// How long nobody is to listen from now on, once; nil for not at all.
    func takePause() -> Duration? {
        state.withLock { state in
            defer { state.pause = nil }
            return state.pause
        }
    }

    /// Answers `PUT` and `GET /control/line`; nil for every other request.
    func answer(_ request: SimulatorRequest) -> SimulatorResponse? {
        guard request.path == "/control/line" else { return nil }
        switch request.method {
        case "GET": return .json(view)
        case "PUT":
            guard let body = request.json, body.members != nil else {
                return .controlError(400, "the body is no JSON object")
            }
            if let problem = change(body) { return .controlError(400, problem) }
            return .json(view)
        default: return .controlError(404, "no such control")
        }
    }

    /// Changes what is named; what was wrong with it, or nil. Nothing is changed when something is wrong.
    private func change(_ body: JSON) -> String? {
        state.withLock { state in
            var next = state
            for member in body.members ?? [] {
                switch member.name {
                case "tls":
                    if member.value == .null {
                        (next.tls, next.context) = (nil, nil)
                        continue
                    }
                    guard let tls = SimulatorTLS(member.value, over: state.tls), let context = try? tls.context()
                    else { return "tls is not usable" }
                    (next.tls, next.context) = (tls, context)
                case "handshake_ms":
                    guard let delay = member.value.integer, (0...600_000).contains(delay) else {
                        return "handshake_ms is no time"
                    }
                    next.handshakeDelay = .milliseconds(delay)
                case "refuse_ms":
                    guard let pause = member.value.integer, (1...600_000).contains(pause) else {
                        return "refuse_ms is no time"
                    }
                    next.pause = .milliseconds(pause)
                case "clock_offset_seconds":
                    guard let offset = member.value.integer, abs(offset) <= 86_400 else {
                        return "clock_offset_seconds is no time"
                    }
                    next.clockOffset = .seconds(offset)
                case "allowed_addresses":
                    next.allowed = member.value.array.map { Set($0.compactMap(\.string)) }
                default: return "\(member.name) is unknown"
                }
            }
            state = next
            return nil
        }
    }

    private var view: JSON {
        state.withLock { state in
            [
                "tls": state.tls.map { ["floor": .string($0.floor.rawValue), "ceiling": .string($0.ceiling.rawValue)] }
                    ?? .null,
                "handshake_ms": JSON(state.handshakeDelay.components.seconds * 1000),
                "clock_offset_seconds": JSON(state.clockOffset.components.seconds),
                "allowed_addresses": state.allowed.map { .array($0.sorted().map { .string($0) }) } ?? .null,
            ]
        }
    }
}

/// What can become of an answer on its way out, whichever counterparty it is: planted like any other fault, by operation,
/// merchant, number, amount and count, and carried out by the listener. The request itself is executed.
public enum LineFault: String, Sendable, CaseIterable {
    /// Half of the body, then the connection ends.
    case half = "half_answer"
    /// Half of the body, then the connection is reset.
    case reset = "reset_answer"
    /// A few bytes at a time, over so many `seconds` in all (10).
    case trickle = "trickle_answer"
}

/// The line's fault that the request being answered drew.
final class DrawnLineFault: Sendable {
    /// The request that this task answers; nil outside of any.
    @TaskLocal static var current: DrawnLineFault?

    private let drawn = Mutex<FaultRule?>(nil)

    /// The fault drawn.
    var rule: FaultRule? { drawn.withLock { $0 } }

    /// Whether none was drawn yet.
    var isFree: Bool { rule == nil }

    func draw(_ rule: FaultRule) { drawn.withLock { $0 = rule } }
}
