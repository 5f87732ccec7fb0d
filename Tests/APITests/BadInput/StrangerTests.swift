import CustodyDomain
import CustodyStore
import CustodyWire
import Foundation
import Testing
import TestSupport

/// What becomes of callbacks from people nobody knows.
@Suite struct StrangerTests {
    @Test func `a callback for nobody, or from elsewhere, is not found and is noted`() async throws {
        let hand = try WeChatPayBadInputTests.Hand(.publicKey)
        let link = try JSON(parsing: hand.link())
        let elsewhere: JSON = ["callback_sources": ["203.0.113.0/24"]]
        let bound = JSON.object((link.members ?? []) + [.init("transport", elsewhere)]).bytes
        let test = "a callback for nobody, or from elsewhere, is not found and is noted"
        try await CallbackDoor.open(.weChatPay, link: bound) { door in
            let payment = try await door.payment(.weChatPay, Fen(1234))
            let letter = try hand.letter(try hand.envelope(hand.payment(payment)))
            let before = try await door.world.footprint()
            let nobodys = "/callbacks/wechat_pay/" + String(repeating: "x", count: 40)
            var seen: Set<BadInputTable.Row> = []
            for (item, path) in [
                ("an address that nobody has", nobodys), ("from elsewhere than its sources", door.path),
            ] {
                let name = ["X-Request-Id": door.world.number("req")]
                let answer = try await door.bench.send(
                    "POST", path, bytes: letter.body, key: "", headers: letter.headers.merging(name) { $1 })
                #expect(answer.status == 404)
                var entries: [JSON] = []
                try await eventually("\(item) is in the trail") {
                    let all =
                        try await door.bench.admin("GET", "/admin/audit-entries?limit=200").json["data"]?.array ?? []
                    entries = all.filter { $0["request_id"]?.string == name["X-Request-Id"] }
                    return entries.count == 1
                }
                seen.insert(
                    BadInputTable.Row(
                        item: item, results: [answer.code ?? ""], audit: entries.first?["action"]?.string))
            }
            #expect(try await door.world.footprint() == before)
            #expect(try await door.world.callbackResults().isEmpty)
            #expect(try seen == BadInputTable.rows(of: test, from: "anybody"))
        }
    }

    @Test func `a flood of forged callbacks is noted up to its limit, and stores nothing`() async throws {
        let hand = try WeChatPayBadInputTests.Hand(.publicKey)
        try await CallbackDoor.open(.weChatPay, link: try hand.link()) { door in
            let payment = try await door.payment(.weChatPay, Fen(1234))
            let before = try await door.world.footprint()
            let letter = try hand.letter(try hand.envelope(hand.payment(payment)), signer: hand.stranger)
            try await withThrowingTaskGroup(of: Int.self) { group in
                for _ in 0..<200 {
                    group.addTask {
                        try await door.bench.send(
                            "POST", door.path, bytes: letter.body, key: "", headers: letter.headers
                        ).status
                    }
                }
                for try await status in group { #expect(status == 401) }
            }
            try await eventually("the trail has what it keeps") { try await door.world.refusals().count >= 30 }
            let entries = try await door.world.refusals()
            // Two windows, if the minute turned meanwhile.
            #expect((30...60).contains(entries.count))
            let results = Set(entries.map { $0.subject.replacing("wechat_pay: ", with: "") })
            let row = BadInputTable.Row(item: "a flood of them", results: results, audit: entries.first?.action)
            let test = "a flood of forged callbacks is noted up to its limit, and stores nothing"
            #expect(try [row] == BadInputTable.rows(of: test, from: "anybody"))
            #expect(try await door.world.footprint() == before)
            #expect(try await door.world.callbackResults().isEmpty)
        }
    }
}
