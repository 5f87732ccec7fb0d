import AsyncHTTPClient
import CustodyConnectors
import CustodyDomain
import CustodySimulators
import CustodyWire
import Foundation
import Testing

@Suite struct `Alipay faults` {
    static let doubts: [(String, Doubt.Reason)] = [
        ("no_answer", .noAnswer), ("drop", .noAnswer), ("system_error", .systemError),
        ("service_unavailable", .systemError), ("bad_signature", .badSignature), ("unsigned", .badSignature),
        ("html", .malformedAnswer), ("empty", .malformedAnswer), ("http_502", .systemError),
    ]

    @Test(arguments: doubts)
    func `every operation met by a fault is unknown, never failed`(_ fault: String, _ reason: Doubt.Reason) async throws
    {
        try await AlipayBench.run { bench in
            let alipay = try bench.alipay(timeout: .seconds(1))
            try await bench.paid("P0")
            try await bench.plantFault("precreate", fault)
            #expect(try await alipay.pay(bench.order("P1")).unknownReason == reason)
            for operation in ["query", "close", "refund", "refund_query", "bill"] {
                try await bench.plantFault(operation, fault)
            }
            #expect(await alipay.queryPayment(serial: "P0").unknownReason == reason)
            #expect(await alipay.closePayment(serial: "P1").unknownReason == reason)
            #expect(await alipay.refund(bench.refund("R0", of: "P0", fen: 1)).unknownReason == reason)
            #expect(await alipay.queryRefund(serial: "R0", paymentSerial: "P0").unknownReason == reason)
            let date = try #require(BusinessDate("2026-10-05"))
            #expect(await alipay.tradeBill(of: date).unknownReason == reason)
            // The rules are used up, and the query tells what happened all the same.
            let refund = try await alipay.queryRefund(serial: "R0", paymentSerial: "P0").answeredValue()
            #expect(refund.state == .succeeded)
            let again = try await alipay.refund(bench.refund("R0", of: "P0", fen: 1)).answeredValue()
            #expect(again.state == .processing)
            let state = try await bench.control("GET", "/control/merchants/\(AlipayBench.appID)?out_trade_no=P0")
            #expect(state["trades"]?.array?.first?["refunded_fen"]?.integer == 1)
        }
    }

    @Test func `too many requests are refused for now, and nothing is done`() async throws {
        try await AlipayBench.run { bench in
            let alipay = try bench.alipay()
            let forNow = Refusal.Standing.forNow(retryAfter: .seconds(60))
            try await bench.paid("P0")
            for operation in ["precreate", "query", "close", "refund", "refund_query", "bill"] {
                try await bench.plantFault(operation, "rate_limited")
            }
            #expect(try await alipay.pay(bench.order("P1")).refusedStanding == forNow)
            #expect(await alipay.queryPayment(serial: "P0").refusedStanding == forNow)
            #expect(await alipay.closePayment(serial: "P1").refusedStanding == forNow)
            let refund = bench.refund("R0", of: "P0", fen: 1)
            #expect(await alipay.refund(refund).refusedStanding == forNow)
            #expect(await alipay.queryRefund(serial: "R0", paymentSerial: "P0").refusedStanding == forNow)
            let date = try #require(BusinessDate("2026-10-05"))
            #expect(await alipay.tradeBill(of: date).refusedStanding == forNow)
            #expect(try await alipay.queryRefund(serial: "R0", paymentSerial: "P0").answeredValue().state == .absent)
            #expect(try await alipay.refund(refund).answeredValue().state == .succeeded)
        }
    }

    @Test func `a system error that executed nothing is unknown just the same`() async throws {
        try await AlipayBench.run { bench in
            let alipay = try bench.alipay()
            try await bench.paid("P1")
            try await bench.plantFault("refund", "system_error", ("executed", false))
            #expect(await alipay.refund(bench.refund("R1", of: "P1", fen: 345)).unknownReason == .systemError)
            #expect(try await alipay.queryRefund(serial: "R1", paymentSerial: "P1").answeredValue().state == .absent)
            try await bench.plantFault("query", "stale")
            #expect(try await alipay.queryPayment(serial: "P1").answeredValue().state == .waiting)
            #expect(try await alipay.queryPayment(serial: "P1").answeredValue().state == .succeeded)
        }
    }

    @Test func `a gateway that is not there is unreachable`() async throws {
        let client = HTTPClient(eventLoopGroupProvider: .singleton)
        let link = AlipayLink(
            gatewayURL: "http://127.0.0.1:1/gateway.do", appID: "1", sellerID: "2",
            appPrivateKeyPEM: try AlipayBench.key("alipay_app.key"),
            alipayPublicKeyPEM: try AlipayBench.key("alipay_gateway.pub"))
        let alipay = try Alipay(
            link: link, outbound: Outbound(client: client, timeout: .seconds(2)), clock: { Instant(seconds: 0) })
        #expect(await alipay.queryPayment(serial: "P1").unknownReason == .unreachable)
        try await client.shutdown()
    }

    @Test func `the gateway's codes mean what the reference says`() async throws {
        let cases: [(JSON, String?, Doubt.Reason?)] = [
            (["code": "10003", "msg": "order success pay inprocess"], nil, .systemError),
            (["code": "20000", "msg": "x", "sub_code": "isp.unknow-error"], nil, .systemError),
            (["code": "20000", "msg": "x", "sub_code": "aop.ACQ.SYSTEM_ERROR"], nil, .systemError),
            (["code": "40004", "msg": "x", "sub_code": "aop.ACQ.SYSTEM_ERROR"], nil, .systemError),
            (["code": "40004", "msg": "x", "sub_code": "ACQ.SYSTEM_ERROR"], nil, .systemError),
            (["code": "40004", "msg": "x", "sub_code": "SYSTEM_RATE_LIMIT"], "SYSTEM_RATE_LIMIT", nil),
            (["code": "40004", "msg": "x", "sub_code": "UNKNOWN_ERROR"], nil, .systemError),
            (["code": "40005", "msg": "x", "sub_code": "isv.app-call-limited"], "isv.app-call-limited", nil),
            (["code": "40004", "msg": "x", "sub_code": "ACQ.INVALID_PARAMETER"], "ACQ.INVALID_PARAMETER", nil),
            (
                ["code": "40006", "msg": "x", "sub_code": "isv.insufficient-isv-permissions"],
                "isv.insufficient-isv-permissions", nil
            ),
            (["code": "40001", "msg": "Missing"], "40001", nil),
            (
                ["code": "10000", "msg": "Success", "out_trade_no": "OTHER", "trade_status": "TRADE_SUCCESS"], nil,
                .malformedAnswer
            ),
            (["code": "10000", "msg": "Success", "out_trade_no": "P1", "trade_status": "WHAT"], nil, .malformedAnswer),
            (
                ["code": "10000", "msg": "Success", "out_trade_no": "P1", "trade_status": "TRADE_SUCCESS"], nil,
                .malformedAnswer
            ),
        ]
        for (node, refusal, doubt) in cases {
            let reply = try await Self.scripted(node) { await $0.queryPayment(serial: "P1") }
            #expect(reply.refusedCode == refusal, "\(node.text)")
            #expect(reply.unknownReason == doubt, "\(node.text)")
        }
        let finished: JSON = [
            "code": "10000", "msg": "Success", "out_trade_no": "P1", "trade_no": "T1",
            "trade_status": "TRADE_FINISHED", "total_amount": "1.00", "send_pay_date": "2026-10-05 10:00:00",
        ]
        let payment = try await Self.scripted(finished) { await $0.queryPayment(serial: "P1") }.answeredValue()
        #expect(payment.state == .succeeded && payment.transactionNumber == "T1")
    }

    @Test func `every valid notification of the vectors is understood`() throws {
        let data = try Data(contentsOf: AlipayBench.fixtures.appending(path: "vectors/alipay.json"))
        let client = HTTPClient(eventLoopGroupProvider: .singleton)
        defer { try? client.syncShutdown() }
        let alipay = try Alipay(
            link: AlipayLink(
                gatewayURL: "", appID: AlipayBench.appID, sellerID: AlipayBench.sellerID,
                appPrivateKeyPEM: AlipayBench.key("alipay_app.key"),
                alipayPublicKeyPEM: AlipayBench.key("alipay_gateway.pub")),
            outbound: Outbound(client: client), clock: { Instant(seconds: 0) })
        let notices = try (JSON(parsing: data)["notifies"]?.array ?? []).filter { $0["valid"]?.bool == true }
            .map { try alipay.notice(in: Array(($0["body"]?.string ?? "").utf8)) }
        let payment = ChannelPayment(
            state: .succeeded, transactionNumber: "2026100622001400000000000001", amount: Fen(12_345),
            paidAt: Instant(text: "2026-10-06 12:00:00"), payerID: "2088102116773037")
        let expected: [ChannelNotice] = [
            .payment(serial: "A20261006120000000001", merchantNumber: AlipayBench.sellerID, payment),
            .refund(
                serial: "R20261006130000000001", paymentSerial: "A20261006120000000001",
                ChannelRefund(
                    state: .succeeded, refundNumber: nil, amount: nil,
                    succeededAt: Instant(text: "2026-10-06 13:00:05.123"))),
            // Wholly refunded, without the refund's number: what it says for sure is that it was paid.
            .payment(serial: "A20261006120000000001", merchantNumber: AlipayBench.sellerID, payment),
        ]
        #expect(notices == expected)
        #expect(try alipay.notice(in: Array("notify_type=open_app_auth_notify".utf8)) == .other("open_app_auth_notify"))
        for body in [
            "", "notify_type=trade_status_sync", "a=%", "notify_type=trade_status_sync&out_trade_no=1&seller_id=2",
        ] {
            #expect(throws: Doubt.self) { try alipay.notice(in: Array(body.utf8)) }
        }
    }

    /// Calls a gateway that gives one signed answer to everything.
    private static func scripted<Value: Sendable>(
        _ node: JSON, _ call: (Alipay) async -> Reply<Value>
    ) async throws -> Reply<Value> {
        let signer = try RSASigner(pem: AlipayBench.key("alipay_gateway.key"))
        let body = try AlipayResponse.body(node: node, name: "alipay_trade_query_response", signer: signer)
        let server = SimulatorServer { _ in .answer(status: 200, headers: [], body: body) }
        let client = HTTPClient(eventLoopGroupProvider: .singleton)
        return try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await server.run() }
            let link = AlipayLink(
                gatewayURL: "http://127.0.0.1:\(try await server.boundPort())/gateway.do", appID: AlipayBench.appID,
                sellerID: AlipayBench.sellerID, appPrivateKeyPEM: try AlipayBench.key("alipay_app.key"),
                alipayPublicKeyPEM: try AlipayBench.key("alipay_gateway.pub"))
            let reply = await call(
                try Alipay(link: link, outbound: Outbound(client: client), clock: { Instant(seconds: 0) }))
            try await client.shutdown()
            group.cancelAll()
            return reply
        }
    }
}
