import AsyncHTTPClient
import CustodyConnectors
import CustodyDomain
import CustodySimulators
import CustodyWire
import Foundation
import Synchronization
import Testing

/// A CCB simulator, a listener for its notifications, and our connector to one market: all over real sockets.
struct CCBBench: Sendable {
    static let market = "12345678901234"
    let base: String
    let outbound: Outbound
    let link: CCBLink
    let custodian: CCBCustodian
    let letters: Letters

    final class Letters: Sendable {
        private let all = Mutex<[[UInt8]]>([])

        func receive(_ request: SimulatorRequest) -> SimulatorResponse {
            all.withLock { $0.append(request.body) }
            return .answer(
                status: 200, headers: [],
                body: CCBMessage.acknowledgement(of: request.body, at: SimulatorClock.realNow()))
        }

        /// The first of a kind that comes within ten seconds, verified.
        func wait(_ kind: String, _ link: CCBLink) async throws -> [UInt8] {
            let deadline = ContinuousClock.now + .seconds(10)
            while ContinuousClock.now < deadline {
                for body in all.withLock({ $0 })
                where try CCBMessage.verify(method: "POST", body: body, link: link).kind == kind {
                    return body
                }
                try await Task.sleep(for: .milliseconds(5))
            }
            throw CWP1Bench.Missing(txnCode: kind, found: 0)
        }
    }

    @discardableResult
    func control(_ path: String, _ body: [JSON.Member]) async throws -> JSON {
        let answer = try await outbound.call(
            "POST", "\(base)/control/\(path)", headers: [],
            body: JSON.object([.init("market_id", .string(CCBBench.market))] + body).bytes)
        guard answer.status == 200 else {
            throw CWP1Bench.ControlFailed(text: String(decoding: answer.body, as: UTF8.self))
        }
        return try JSON(parsing: answer.body)
    }

    func clock(_ time: String) async throws {
        let answer = try await outbound.call(
            "PUT", "\(base)/control/clock", headers: [],
            body: (["merchant": .string(CCBBench.market), "now": .string(time)] as JSON).bytes)
        guard answer.status == 200 else { throw CWP1Bench.ControlFailed(text: "clock") }
    }

    /// The simulator's own books.
    func books() async throws -> JSON {
        let answer = try await outbound.call("GET", "\(base)/control/markets/\(CCBBench.market)/balances", headers: [])
        return try JSON(parsing: answer.body)
    }

    func fault(_ operation: String, _ fault: String, _ more: [JSON.Member] = []) async throws {
        try await control(
            "faults", [.init("operation", .string(operation)), .init("fault", .string(fault))] + more)
    }

    func merchant(_ name: String) async throws -> String {
        try #require(try await control("merchants", [.init("name", .string(name))])["mkt_mrch_id"]?.string)
    }

    /// An order of which the platform gets 5.00 yuan.
    func order(
        _ number: String, _ payee: String, _ platform: String, amount: Int64 = 10_001, confirmBy: BusinessDate? = nil
    ) -> CollectionInstruction {
        CollectionInstruction(
            order: OrderRegistration(
                number: number, amount: Fen(amount),
                parts: [
                    .init(number: "S1", account: payee, amount: Fen(amount - 500), isCommission: false),
                    .init(number: "S2", account: platform, amount: Fen(500), isCommission: true),
                ], payment: nil, confirmBy: confirmBy),
            method: .h5, description: "商品", expiresAt: SimulatorClock.realNow() + .seconds(1800))
    }

    static func run(
        _ algorithm: CWP1Algorithm = .rsaSHA256, _ body: @escaping @Sendable (CCBBench) async throws -> Void
    ) async throws {
        let letters = CCBBench.Letters()
        let listener = SimulatorServer { letters.receive($0) }
        let bank = try CCBSimulator(client: .shared)
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await listener.run() }
            group.addTask { try await bank.run() }
            defer { group.cancelAll() }
            let keys = try (algorithm == .rsaSHA256 ? CWP1Bench.keys : CWP1Bench.sm2Keys).get()
            let base = "http://127.0.0.1:\(try await bank.boundPort())"
            let outbound = Outbound(client: .shared, timeout: .seconds(5))
            let answer = try await outbound.call(
                "POST", base + "/control/markets", headers: [],
                body: ([
                    "market_id": .string(CCBBench.market), "platform_public_key_pem": .string(keys.publicPEM),
                    "notify_url": .string("http://127.0.0.1:\(try await listener.boundPort())/callback"),
                ] as JSON).bytes)
            let link = CCBLink(
                baseURL: base, marketID: CCBBench.market, platformPrivateKeyPEM: keys.privatePEM,
                bankPublicKeyPEM: try #require(try JSON(parsing: answer.body)["bank_public_key_pem"]?.string),
                filesURL: base + "/files")
            try await body(
                CCBBench(
                    base: base, outbound: outbound, link: link,
                    custodian: try CCBCustodian(link: link, outbound: outbound) { SimulatorClock.realNow() },
                    letters: letters))
        }
    }
}
