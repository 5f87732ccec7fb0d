import CustodyAPI
import CustodyDomain
import CustodyStore
import CustodyWire
import Testing
import TestSupport

/// Discrepancies, and what two people do about them, over HTTP.
@Suite struct ResolutionRouteTests {
    /// A platform with so many payments that the channel's statement does not list.
    private static func run(
        shortages: Int = 1,
        _ body: @Sendable (APIBench, _ checker: String, _ discrepancies: [JSON]) async throws -> Void
    ) async throws {
        try await APIBench.run { bench async throws in
            let checker = try await bench.world.store.withSystem {
                try await $0.createKey(
                    for: bench.world.tenantID, name: "checker", scopes: ["read", "write"], expiresAt: nil)
            }
            let shop = try await bench.world.activeSubMerchant()
            for _ in 0..<shortages { _ = try await bench.world.paidOrder([(shop, Fen(1000))]) }
            try await bench.world.run { tx in
                // Neither the channel nor the bank lists anything.
                for (source, form) in [(StatementSource.weChatPay, "trade"), (.bank, "PAY")] {
                    let empty = VerifiedStatement(emptyDay: tx.today, from: source, form: form)
                    _ = try await tx.storeStatement(
                        empty.rows(), of: empty.summary, form: form, on: tx.today, fileName: "empty",
                        sha256: Array(repeating: 7, count: 32)
                    ) { _ in nil }
                }
                _ = try await tx.reconcile(
                    .weChatPay, on: tx.today, feeBasisPoints: nil, withoutCreditAfter: tx.now)
            }
            let open = try await bench.send("GET", "/v1/discrepancies?state=open").json["data"]?.array ?? []
            #expect(open.filter { $0["kind"] == "shortage" }.count == shortages)
            try await body(bench, checker, open.filter { $0["kind"] == "shortage" })
            #expect(try await bench.world.violations() == [])
        }
    }

    private static let writeOff: JSON = ["action": "write_off", "note": "nobody claims it"]

    @Test func `one proposes and another approves, and the money leaves suspense`() async throws {
        try await Self.run { bench, checker, open in
            let id = open[0]["id"]?.string ?? ""
            #expect(open[0]["suspense"] == -1000 && open[0]["ours"] == 1000)
            let path = "/v1/discrepancies/\(id)/resolutions"
            let proposal = try await bench.send("POST", path, Self.writeOff)
            #expect(proposal.status == 201 && proposal.json["state"] == "proposed")
            #expect(proposal.json["maker"]?.string?.hasPrefix("key:") == true && proposal.json["checker"] == .null)
            #expect(try await bench.send("GET", "/v1/discrepancies/\(id)").json["state"] == "proposed")
            #expect(try await bench.send("GET", path).json["data"] == [proposal.json])
            let suspense = try await bench.world.balance(.suspense)

            // Whoever proposed it decides neither way.
            for verb in ["approve", "reject"] {
                let own = try await bench.send("POST", "/v1/resolutions/\(proposal.id)/\(verb)")
                #expect(own.status == 422 && own.code == "four_eyes")
            }
            #expect(try await bench.world.balance(.suspense) == suspense)
            let approved = try await bench.send("POST", "/v1/resolutions/\(proposal.id)/approve", key: checker)
            #expect(approved.status == 200 && approved.json["state"] == "approved")
            #expect(approved.json["checker"] != proposal.json["maker"])
            let resolved = try await bench.send("GET", "/v1/discrepancies/\(id)").json
            #expect(resolved["state"] == "resolved" && resolved["resolved_at"] != .null)
            #expect(try await bench.world.balance(.suspense) == suspense + Fen(1000))
            #expect(try await bench.world.balance(.writeOff) == Fen(-1000))

            // Decided is decided, and resolved is resolved.
            for verb in ["approve", "reject"] {
                let late = try await bench.send("POST", "/v1/resolutions/\(proposal.id)/\(verb)", key: checker)
                #expect(late.status == 409 && late.code == "discrepancy_state")
            }
            let second = try await bench.send("POST", path, Self.writeOff)
            #expect(second.status == 409 && second.code == "discrepancy_state")
        }
    }

    @Test func `a rejected proposal leaves the discrepancy open for another one`() async throws {
        try await Self.run { bench, checker, open in
            let path = "/v1/discrepancies/\(open[0]["id"]?.string ?? "")/resolutions"
            let first = try await bench.send("POST", path, Self.writeOff)
            let twice = try await bench.send("POST", path, ["action": "adjust", "note": "no, this"])
            #expect(twice.status == 409 && twice.code == "discrepancy_state")
            let rejected = try await bench.send("POST", "/v1/resolutions/\(first.id)/reject", key: checker)
            #expect(rejected.status == 200 && rejected.json["state"] == "rejected")
            let clearing = try await bench.world.balance(.clearing(.weChatPay))
            let second = try await bench.send("POST", path, ["action": "adjust", "note": "it came after all"])
            #expect(second.status == 201)
            #expect(
                try await bench.send("GET", path).json["data"]?.array?.map { $0["state"] } == ["rejected", "proposed"])
            let approved = try await bench.send("POST", "/v1/resolutions/\(second.id)/approve", key: checker)
            #expect(approved.status == 200)
            #expect(try await bench.world.balance(.clearing(.weChatPay)) == clearing + Fen(1000))
            #expect(try await bench.world.balance(.writeOff) == .zero)
        }
    }

    @Test func `each request is done once, however often it is sent`() async throws {
        try await Self.run(shortages: 2) { bench, checker, open in
            let path = "/v1/discrepancies/\(open[0]["id"]?.string ?? "")/resolutions"
            let first = try await bench.send("POST", path, Self.writeOff, headers: ["Idempotency-Key": "propose"])
            let again = try await bench.send("POST", path, Self.writeOff, headers: ["Idempotency-Key": "propose"])
            #expect(again.status == 201 && again.body == first.body && again.headers["idempotent-replayed"] == "true")
            #expect(try await bench.send("GET", path).json["data"]?.array?.count == 1)
            let approve = "/v1/resolutions/\(first.id)/approve"
            let done = try await bench.send("POST", approve, key: checker, headers: ["Idempotency-Key": "approve"])
            let replay = try await bench.send("POST", approve, key: checker, headers: ["Idempotency-Key": "approve"])
            #expect(done.status == 200 && replay.body == done.body)
            #expect(replay.headers["idempotent-replayed"] == "true")
            #expect(try await bench.world.balance(.writeOff) == Fen(-1000))
            // A key belongs to the request it came with.
            let other = try await bench.send(
                "POST", "/v1/discrepancies/\(open[1]["id"]?.string ?? "")/resolutions", Self.writeOff,
                headers: ["Idempotency-Key": "propose"])
            #expect(other.status == 422 && other.code == "idempotency_key_reused")
            // Two who decide the same at the same time: one of them does.
            let rival = try await bench.send(
                "POST", "/v1/discrepancies/\(open[1]["id"]?.string ?? "")/resolutions", Self.writeOff)
            async let one = bench.send("POST", "/v1/resolutions/\(rival.id)/approve", key: checker)
            async let two = bench.send("POST", "/v1/resolutions/\(rival.id)/reject", key: checker)
            let statuses = try await [one.status, two.status].sorted()
            #expect(statuses == [200, 409])
        }
    }

    @Test func `what belongs to another platform, or to nobody, is not found`() async throws {
        try await Self.run { bench, checker, open in
            let other = try await bench.world.test.world()
            let stranger = try await bench.world.store.withSystem {
                try await $0.createKey(for: other.tenantID, name: "other", scopes: ["read", "write"], expiresAt: nil)
            }
            let id = open[0]["id"]?.string ?? ""
            let proposal = try await bench.send("POST", "/v1/discrepancies/\(id)/resolutions", Self.writeOff)
            let nobody = ID<Resolution>(at: Instant(seconds: 0)).text
            for (method, path, body) in [
                ("GET", "/v1/discrepancies/\(id)", nil), ("GET", "/v1/discrepancies/\(id)/resolutions", nil),
                ("POST", "/v1/discrepancies/\(id)/resolutions", Self.writeOff),
                ("POST", "/v1/resolutions/\(proposal.id)/approve", nil),
                ("POST", "/v1/resolutions/\(proposal.id)/reject", nil),
                ("POST", "/v1/resolutions/\(nobody)/approve", nil), ("POST", "/v1/resolutions/\(id)/approve", nil),
            ] as [(String, String, JSON?)] {
                let answer = try await bench.send(method, path, body, key: stranger)
                #expect(answer.status == 404 && answer.code == "not_found", "\(method) \(path)")
            }
            let reader = try await bench.world.store.withSystem {
                try await $0.createKey(for: bench.world.tenantID, name: "reader", scopes: ["read"], expiresAt: nil)
            }
            let refused = try await bench.send("POST", "/v1/resolutions/\(proposal.id)/approve", key: reader)
            #expect(refused.status == 403 && refused.code == "scope_missing")
            #expect(try await bench.send("GET", "/v1/discrepancies/\(id)").json["state"] == "proposed")
        }
    }

    @Test func `a proposal names an action that there is, and says why`() async throws {
        try await Self.run { bench, _, open in
            let path = "/v1/discrepancies/\(open[0]["id"]?.string ?? "")/resolutions"
            for (body, pointer) in [
                (["action": "forget", "note": "x"], "/action"), (["action": "adjust"], "/note"),
                (["action": "adjust", "note": ""], "/note"), (["note": "x"], "/action"),
                (["action": "adjust", "note": "x", "maker": "me"], "/maker"),
            ] as [(JSON, String)] {
                let answer = try await bench.send("POST", path, body)
                #expect(answer.status == 400 && answer.pointer == pointer, "\(body.text)")
            }
            let proposal = try await bench.send("POST", path, Self.writeOff)
            let extra = try await bench.send("POST", "/v1/resolutions/\(proposal.id)/approve", ["note": "yes"])
            #expect(extra.status == 400)
        }
    }
}
