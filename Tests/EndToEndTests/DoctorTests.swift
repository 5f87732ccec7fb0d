import AsyncHTTPClient
import CustodyDomain
import CustodySimulators
import CustodyStore
import CustodyWire
import TestSupport
import Testing

extension EndToEndTests {
    /// `custody doctor bank|wechat|alipay` before lines that are not as they should be.
    @Suite struct DoctorTests {
        @Test func `a good link has nothing to be done, over TLS as over a plain line`() async throws {
            try await DoctorBench.run { bench in
                for counterparty in Counterparty.allCases {
                    try await bench.link(counterparty)
                    let plain = try await bench.doctor(counterparty)
                    #expect(plain.status == 0, "\(plain.text)")
                    #expect(plain.says("signatures are good both ways"))
                    try await bench.encrypt(counterparty)
                    try await bench.link(counterparty)
                    let encrypted = try await bench.doctor(counterparty)
                    #expect(encrypted.status == 0, "\(encrypted.text)")
                    #expect(encrypted.says("TLS 1.3"))
                    #expect(encrypted.remedies == [])
                }
            }
        }

        @Test func `nobody at the port, and a name that has no address`() async throws {
            try await DoctorBench.run { bench in
                let free = try await Loopback.freePort()
                for counterparty in Counterparty.allCases {
                    try await bench.link(counterparty, base: "http://127.0.0.1:\(free)")
                    let closed = try await bench.doctor(counterparty)
                    #expect(closed.status == 1)
                    #expect(closed.remedy(of: "nobody listens at 127.0.0.1:\(free)")?.contains("host and port") == true)
                    try await bench.link(counterparty, base: "https://counterparty.invalid")
                    let unknown = try await bench.doctor(counterparty)
                    #expect(unknown.status == 1)
                    #expect(unknown.remedy(of: "counterparty.invalid has no address")?.contains("name server") == true)
                }
            }
        }

        @Test func `our signature is refused, and an answer's is not theirs`() async throws {
            try await DoctorBench.run { bench in
                let refusals: [Counterparty: String] = [
                    .bank: "100002", .weChatPay: "SIGN_ERROR", .alipay: "isv.invalid-signature",
                ]
                for counterparty in Counterparty.allCases {
                    try await bench.link(counterparty, ownKey: bench.strangers.privatePEM)
                    let refused = try await bench.doctor(counterparty)
                    #expect(refused.status == 1)
                    let code = try #require(refusals[counterparty])
                    #expect(
                        refused.remedy(of: "our signed question was refused: \(code)")?.contains(
                            "our present public key")
                            == true, "\(refused.text)")
                    try await bench.link(counterparty, theirKey: bench.strangers.publicPEM)
                    let doubted = try await bench.doctor(counterparty)
                    #expect(doubted.status == 1)
                    #expect(
                        doubted.remedy(of: "its signature does not verify")?.contains("counterparty's present keys")
                            == true, "\(doubted.text)")
                }
            }
        }

        @Test func `clocks that are apart`() async throws {
            try await DoctorBench.run { bench in
                for counterparty in Counterparty.allCases {
                    try await bench.link(counterparty)
                    try await bench.line(counterparty, ["clock_offset_seconds": -900])
                    let found = try await bench.doctor(counterparty)
                    #expect(found.status == 1)
                    let finding = try #require(
                        found.findings.first { $0.text.contains("behind ours") }, "\(found.text)")
                    #expect(
                        finding.text.contains("900 s") || finding.text.contains("899 s")
                            || finding.text.contains("901 s"))
                    #expect(finding.remedy?.contains("synchronise this machine's clock") == true)
                    if counterparty == .bank {
                        // It signs with its own time, too.
                        #expect(
                            found.remedy(of: "its signature does not verify: stale_time")?.contains("clock") == true,
                            "\(found.text)")
                    }
                }
            }
        }

        @Test func `certificates that ended, end soon, are for another, or are not believed`() async throws {
            try await DoctorBench.run { bench in
                for counterparty in Counterparty.allCases {
                    try await bench.encrypt(counterparty, days: -3)
                    try await bench.link(counterparty)
                    let ended = try await bench.doctor(counterparty)
                    #expect(ended.status == 1)
                    #expect(ended.remedy(of: "ended 3 days ago")?.contains("new certificate") == true, "\(ended.text)")

                    try await bench.encrypt(counterparty, days: 10)
                    let soon = try await bench.doctor(counterparty)
                    #expect(soon.status == 1)
                    #expect(soon.remedy(of: "is good for 9 more days")?.contains("next certificate") == true)
                    #expect(soon.says("signatures are good both ways"))

                    try await bench.encrypt(counterparty, names: ["bank.example"])
                    let other = try await bench.doctor(counterparty)
                    #expect(other.status == 1)
                    #expect(other.remedy(of: "is for bank.example, not for 127.0.0.1") != nil, "\(other.text)")

                    try await bench.encrypt(counterparty)
                    try await bench.link(counterparty, authority: try SimulatorAuthority("Another authority"))
                    let strange = try await bench.doctor(counterparty)
                    #expect(strange.status == 1)
                    #expect(strange.remedy(of: "whom we do not believe")?.contains("transport.ca_pem") == true)
                }
            }
        }

        @Test func `TLS below the floor, and a certificate of ours that is wanted`() async throws {
            try await DoctorBench.run { bench in
                let callers = try SimulatorAuthority("callers")
                for counterparty in Counterparty.allCases {
                    try await bench.encrypt(counterparty, ceiling: "1.2")
                    try await bench.link(counterparty, transport: [.init("minimum_tls", "1.3")])
                    let low = try await bench.doctor(counterparty)
                    #expect(low.status == 1)
                    #expect(low.remedy(of: "it speaks TLS 1.2 at most")?.contains("minimum_tls") == true, "\(low.text)")

                    try await bench.encrypt(counterparty, callers: callers.certificatePEM)
                    try await bench.link(counterparty)
                    let wanted = try await bench.doctor(counterparty)
                    #expect(wanted.status == 1)
                    #expect(
                        wanted.remedy(of: "does not accept our certificate")?.contains("client_certificate_pem")
                            == true,
                        "\(wanted.text)")
                    let own = try callers.issue("custody", days: 30)
                    bench.hide(own.privateKeyPEM)
                    try await bench.link(
                        counterparty,
                        transport: [
                            .init("client_certificate_pem", .string(own.certificatePEM)),
                            .init("client_private_key_pem", .string(own.privateKeyPEM)),
                        ])
                    #expect(try await bench.doctor(counterparty).status == 0)
                }
            }
        }

        @Test func `an address that is not on the allow-list`() async throws {
            try await DoctorBench.run { bench in
                for counterparty in Counterparty.allCases {
                    try await bench.link(counterparty)
                    try await bench.line(counterparty, ["allowed_addresses": ["192.0.2.1"]])
                    let hungUp = try await bench.doctor(counterparty)
                    #expect(hungUp.status == 1)
                    #expect(
                        hungUp.remedy(of: "hangs up before it answers")?.contains("allow-list") == true,
                        "\(hungUp.text)")
                    try await bench.line(counterparty, ["allowed_addresses": nil])
                }
                try await bench.link(.bank, allowed: ["192.0.2.1"])
                let refused = try await bench.doctor(.bank)
                #expect(refused.status == 1)
                #expect(
                    refused.remedy(of: "our signed question was refused: 100008")?.contains("allow-list") == true)
            }
        }

        @Test func `a custodian that collects is asked in its own dialect`() async throws {
            try await DoctorBench.run { bench in
                let ccb = try CCBSimulator(client: .shared)
                try await withThrowingTaskGroup(of: Void.self) { group in
                    group.addTask { try await ccb.run() }
                    defer { group.cancelAll() }
                    let base = "http://127.0.0.1:\(try await ccb.boundPort())"
                    try await bench.linkCCB(base)
                    let good = try await bench.doctor(.bank)
                    #expect(good.status == 0, "\(good.text)")
                    #expect(good.says("signatures are good both ways"))
                    try await bench.linkCCB(base, ownKey: bench.strangers.privatePEM)
                    let refused = try await bench.doctor(.bank)
                    #expect(refused.status == 1)
                    #expect(
                        refused.remedy(of: "our signed question was refused: SIGN_ERROR")?.contains("public key")
                            == true,
                        "\(refused.text)")
                    try await bench.linkCCB(base, theirKey: bench.strangers.publicPEM)
                    let doubted = try await bench.doctor(.bank)
                    #expect(doubted.status == 1)
                    #expect(doubted.remedy(of: "its signature does not verify")?.contains("present keys") == true)
                }
            }
        }

        @Test func `answers that are none, and a production platform's open doors`() async throws {
            try await DoctorBench.run(sandbox: false) { bench in
                try await bench.link(.bank)
                let open = try await bench.doctor(.bank)
                #expect(open.status == 1)
                #expect(open.remedy(of: "the line is not encrypted") == "use an https:// address")
                #expect(open.remedy(of: "callbacks are taken from any address")?.contains("callback_sources") == true)
                for fault in ["html", "empty", "http_500", "no_answer", "no_signature", "half_answer"] {
                    try await bench.control(
                        .bank, "POST", "faults", ["operation": "TXN.QUERY", "fault": .string(fault)])
                    let found = try await bench.doctor(.bank)
                    #expect(found.status == 1)
                    #expect(
                        found.findings.contains {
                            $0.remedy != nil
                                && ($0.text.contains("was not answered") || $0.text.contains("does not verify"))
                        }, "\(fault): \(found.text)")
                }
            }
        }
    }
}
