import AsyncHTTPClient
import CustodyConnectors
import CustodyDomain
import CustodySimulators
import CustodyWire
import Synchronization
import Testing

@Suite struct WeChatPayFaultTests {
    typealias World = WeChatPayWorld

    /// A fault, what the connector says, and whether the order exists afterwards.
    static let faults: [(String, Doubt.Reason, Bool)] = [
        ("system_error", .systemError, false), ("rate_limited", .rateLimited, false), ("drop", .noAnswer, false),
        ("no_answer", .noAnswer, true), ("drop_answer", .noAnswer, true), ("bad_signature", .badSignature, true),
        ("stale_timestamp", .badSignature, true), ("unknown_serial", .badSignature, true),
        ("unsigned", .badSignature, true), ("empty_unsigned", .badSignature, true),
        ("empty_answer", .malformedAnswer, true), ("html", .badSignature, false), ("probe", .badSignature, true),
        ("bad_gateway", .systemError, false),
    ]

    @Test(arguments: faults)
    func `a faulty answer is unknown, and the query tells what happened`(
        _ fault: String, _ reason: Doubt.Reason, _ happened: Bool
    ) async throws {
        try await World.with(timeout: .seconds(2)) { world in
            try await world.fault("pay", fault)
            #expect(doubt(await world.channel.pay(world.order("FAULT001"))) == reason)
            let state = try answered(await world.channel.queryPayment(serial: "FAULT001")).state
            #expect(state == (happened ? .waiting : .absent))

            try await world.paid("FAULT002")
            try await world.fault("refund", fault)
            let refund = world.refund("FR1", of: "FAULT002", 1)
            #expect(doubt(await world.channel.refund(refund)) == reason)
            let found = try answered(await world.channel.queryRefund(serial: "FR1", paymentSerial: "FAULT002")).state
            #expect((found != .absent) == happened)
            // The same number again does it once, whatever happened before.
            _ = try answered(await world.channel.refund(refund))
            let state2 = try await world.control("GET", "/merchants/\(World.mchid)")
            #expect(state2["refunds"]?.array?.count == 1)
        }
    }

    @Test(arguments: ["query", "close", "query_refund", "bill"])
    func `every other call is unknown as well when its answer cannot be believed`(_ operation: String) async throws {
        try await World.with { world in
            try await world.setClock("2026-10-05T12:00:00+08:00")
            try await world.paid("OTHER001")
            for fault in ["bad_signature", "system_error", "rate_limited", "drop_answer", "html", "empty_unsigned"] {
                try await world.fault(operation, fault)
                let reason: Doubt.Reason? =
                    switch operation {
                    case "query": doubt(await world.channel.queryPayment(serial: "OTHER001"))
                    case "close": doubt(await world.channel.closePayment(serial: "OTHER001"))
                    case "query_refund":
                        doubt(await world.channel.queryRefund(serial: "X", paymentSerial: "OTHER001"))
                    default: doubt(await world.channel.tradeBill(of: BusinessDate(daysSinceEpoch: 20_000)))
                    }
                #expect(reason != nil, "\(fault)")
            }
        }
    }

    @Test func `a request under a wrong key or to nobody is refused or unreachable`() async throws {
        try await World.with { world in
            var link = world.link
            link.merchantPrivateKeyPEM = try World.fixture("wx_platform.key.pem")
            let stranger = try WeChatPay(
                link: link, outbound: Outbound(client: .shared), clock: { SimulatorClock.realNow() })
            #expect(refusalCode(await stranger.pay(world.order("STRANGE1"))) == "SIGN_ERROR")
            let slow = try WeChatPay(
                link: world.link, outbound: Outbound(client: .shared),
                clock: { SimulatorClock.realNow() - .seconds(400) })
            // Our clock is wrong: they refuse us, and we cannot believe even that.
            #expect(doubt(await slow.pay(world.order("SLOW0001"))) == .badSignature)
            link = world.link
            link.baseURL = "http://127.0.0.1:9"
            let lost = try WeChatPay(
                link: link, outbound: Outbound(client: .shared, timeout: .seconds(1)),
                clock: { SimulatorClock.realNow() })
            #expect(doubt(await lost.pay(world.order("LOST0001"))) != nil)
        }
    }

    @Test func `a merchant that knows only the certificate is answered under it`() async throws {
        try await World.with { world in
            var link = world.link
            link.platformKeys = link.platformKeys.filter { !$0.serial.hasPrefix("PUB_KEY_ID") }
            let channel = try WeChatPay(
                link: link, outbound: Outbound(client: .shared), clock: { SimulatorClock.realNow() })
            _ = try answered(await channel.pay(world.order("CERT0001")))
        }
    }

    @Test func `a callback that is not taken comes again on the merchant's clock`() async throws {
        try await World.with { world in
            try await world.setClock("2026-10-05T12:00:00+08:00")
            world.inbox.answers.withLock { $0 = [500, 500, 404] }
            try await world.paid("AGAIN001")
            #expect(world.inbox.requests(to: "/callback").count == 1)
            try await world.setClock("2026-10-05T12:00:20+08:00")
            #expect(world.inbox.requests(to: "/callback").count == 2)
            try await world.setClock("2026-10-05T12:00:40+08:00")
            #expect(world.inbox.requests(to: "/callback").count == 3)
            try await world.setClock("2026-10-06T13:00:00+08:00")
            let all = world.inbox.requests(to: "/callback")
            #expect(all.count == 4)
            #expect(Set(all.map(\.body)).count == 1)
            for request in all {
                _ = try WeChatPayCallback.verify(
                    headers: request.headers, body: request.body, link: world.link, now: SimulatorClock.realNow())
            }
        }
    }

    @Test func `a callback nobody takes is given up after sixteen attempts`() async throws {
        try await World.with { world in
            try await world.setClock("2026-10-05T12:00:00+08:00")
            world.inbox.answers.withLock { $0 = Array(repeating: 500, count: 100) }
            try await world.paid("GIVEUP01")
            try await world.setClock("2026-10-08T12:00:00+08:00")
            // The lump of the day has gone to another address.
            #expect(world.inbox.requests(to: "/callback").count == 16)
            let state = try await world.control("GET", "/merchants/\(World.mchid)")
            #expect(state["callbacks"]?["open"]?.integer == 0)
        }
    }

    @Test func `callbacks can be repeated, late, lost or broken on command`() async throws {
        try await World.with { world in
            try await world.setClock("2026-10-05T12:00:00+08:00")
            try await world.fault("payment_callback", "duplicate_callback", [.init("times", 5)])
            try await world.paid("TWICE001")
            #expect(world.inbox.requests(to: "/callback").count == 5)

            try await world.fault("payment_callback", "no_callback")
            try await world.paid("NEVER001")
            try await world.fault("payment_callback", "delay_callback", [.init("seconds", 3600)])
            try await world.paid("LATER001")
            try await world.setClock("2026-10-05T12:59:00+08:00")
            #expect(world.inbox.requests(to: "/callback").count == 5)
            try await world.setClock("2026-10-05T13:01:00+08:00")
            #expect(world.inbox.requests(to: "/callback").count == 6)

            let flaws: [(String, WeChatPayVerifier.Rejection)] = [
                ("bad_signature", .badSignature), ("stale_timestamp", .stale), ("probe", .probe),
                ("unknown_serial", .unknownSerial),
            ]
            for (index, (fault, rejection)) in flaws.enumerated() {
                try await world.fault("payment_callback", fault)
                try await world.paid("BROKEN0\(index)")
                let request = try #require(world.inbox.requests(to: "/callback").last)
                #expect(throws: WeChatPayCallback.Rejection.signature(rejection)) {
                    try WeChatPayCallback.verify(
                        headers: request.headers, body: request.body, link: world.link, now: SimulatorClock.realNow())
                }
            }
        }
    }
}
