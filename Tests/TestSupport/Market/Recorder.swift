import AsyncHTTPClient
import CustodyConnectors
import CustodyDomain
import CustodySimulators
import CustodyWire
import Foundation
import Synchronization

/// A wire-tap in front of a simulator: passes every request on as it is, and remembers it.
public final class Recorder: Sendable {
    /// The requests that passed, oldest first.
    private let passed = Mutex<[SimulatorRequest]>([])
    private let target: @Sendable () async throws -> Int
    private let outbound: Outbound

    init(to target: @escaping @Sendable () async throws -> Int) {
        self.target = target
        outbound = Outbound(client: .shared, timeout: .seconds(60))
    }

    func pass(_ request: SimulatorRequest) async -> SimulatorResponse {
        passed.withLock { $0.append(request) }
        let query = request.query.isEmpty ? "" : "?" + request.query
        let hops = ["host", "content-length", "connection", "transfer-encoding"]
        do {
            let answer = try await outbound.call(
                request.method, "http://127.0.0.1:\(try await target())\(request.path)\(query)",
                headers: request.headers.filter { !hops.contains($0.name.lowercased()) }
                    .map { ($0.name, $0.value) }, body: request.body)
            return .answer(
                status: answer.status, headers: answer.headers.filter { !hops.contains($0.name.lowercased()) },
                body: answer.body)
        } catch {
            // The simulator hung up without a byte: so do we.
            return .drop
        }
    }

    /// The numbers of the bank's instructions of a kind that passed, oldest first, repeated ones repeated.
    public func numbers(_ txnCode: String) -> [String] {
        passed.withLock { requests in
            requests.compactMap { request in
                let head = request.json?["head"]
                return head?["txnCode"]?.string == txnCode ? head?["reqSeqNo"]?.string : nil
            }
        }
    }

    /// How many requests of a method passed whose path begins so.
    public func count(_ method: String, _ path: String) -> Int {
        passed.withLock { $0.count { $0.method == method && $0.path.hasPrefix(path) } }
    }
}

/// What counterparties sent us, kept as it came; stored with the platform at once, or when the test says so.
public final class Inbox: Sendable {
    struct State {
        var letters: [SimulatorRequest] = []
        var isHolding = false
        /// What callbacks are verified with.
        var link: WeChatPayLink?
    }

    let state = Mutex(State())

    /// The callbacks that came.
    public var count: Int { state.withLock { $0.letters.count } }

    /// Keeps what comes from now on, instead of storing it.
    public func hold() { state.withLock { $0.isHolding = true } }
}
