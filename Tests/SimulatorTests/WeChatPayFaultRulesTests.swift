import CustodyDomain
import CustodySimulators
import CustodyWire
import Foundation
import Synchronization
import Testing

/// What the simulator does on command, for every call, and how it repeats its callbacks.
@Suite struct WeChatPayFaultRulesTests {
    private typealias World = WeChatPayPartnerWorld

    @Test func `a scenario's rules count for every call there is`() async throws {
        let steps = Set(WeChatPaySimulator.operations.map(\.name)).sorted().map { name -> JSON in
            let count = WeChatPaySimulator.operations.count { $0.name == name }
            return [
                "path": "/control/faults",
                "body": [
                    "operation": .string(name), "fault": "rate_limited", "code": "RATELIMIT_EXCEEDED",
                    "count": JSON(count),
                ],
            ]
        }
        try await World.with(steps: steps) { world in
            for (name, method, path) in WeChatPaySimulator.operations {
                let target = path.split(separator: "/").map { $0.hasPrefix("{") ? "1" : $0 }.joined(separator: "/")
                let answer: World.Answer
                if name == "media" {
                    let media = try #require(WeChatPayMediaUpload(fileName: "a.jpg", content: [0xFF, 0xD8, 1]))
                    answer = try await world.send(
                        method, "/" + target, raw: media.body(boundary: "b"), signing: media.meta,
                        type: "multipart/form-data; boundary=b")
                } else {
                    answer = try await world.send(method, "/" + target, method == "GET" ? nil : [:])
                }
                #expect(answer.status == 429 && answer.code == "RATELIMIT_EXCEEDED", "\(method) \(path)")
            }
            #expect(world.simulator.faults.all.isEmpty)
        }
    }

    @Test func `the documentation names every call that faults may be planted for`() throws {
        let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
        let text = try String(contentsOf: root.appending(path: "docs/sandbox.md"), encoding: .utf8)
        let start = try #require(text.range(of: "**WeChat Pay.** Operations:"))
        let paragraph = text[start.upperBound...].prefix(
            upTo: try #require(text[start.upperBound...].range(of: "\n\n")).lowerBound)
        let named = paragraph.split(separator: "`", omittingEmptySubsequences: false).enumerated()
            .filter { $0.offset % 2 == 1 }.map { String($0.element) }
        #expect(Set(named) == Set(WeChatPaySimulator.operations.map(\.name)))
        #expect(Set(named).count == named.count)
    }

    private static func now(_ world: World) async throws -> Instant {
        let answer = try await world.control("GET", "/clock?merchant=\(World.mchid)")
        return try #require(answer["now"]?.string.flatMap { Instant(text: $0) })
    }

    @Test func `a callback is repeated fifteen times in a day and four minutes, and then no more`() async throws {
        let waits: [Int64] = [
            15, 15, 30, 180, 600, 1200, 1800, 1800, 1800, 3600, 10_800, 10_800, 10_800, 21_600, 21_600,
        ]
        let day = waits.reduce(0, +)
        #expect(day == 86_640)
        try await World.with { world in
            try await world.clock("2026-10-05T12:00:00+08:00")
            world.inbox.answers.withLock { $0 = Array(repeating: 500, count: 99) }
            let before = try await Self.now(world)
            _ = try await world.paid("REPEAT01")
            let after = try await Self.now(world)
            #expect(world.inbox.count == 1)
            var elapsed: Int64 = 0
            for (index, wait) in waits.enumerated() {
                elapsed += wait
                try await world.clock((before + .seconds(elapsed - 5)).rfc3339)
                #expect(world.inbox.count == index + 1, "before attempt \(index + 2)")
                try await world.clock((after + .seconds(elapsed)).rfc3339)
                #expect(world.inbox.count == index + 2, "attempt \(index + 2)")
            }
            try await world.clock((after + .seconds(elapsed + 30 * 86_400)).rfc3339)
            #expect(world.inbox.count == 16)
            let ids = Set(try world.inbox.contents(world.link).map(\.notificationID))
            #expect(ids.count == 1)
            let state = try #require(try await world.control("GET", "/merchants/\(World.mchid)")["callbacks"])
            #expect(state["open"]?.integer == 0 && state["failed_attempts"]?.integer == 16)
        }
    }

    @Test func `a callback ends with the first 200 or 204`() async throws {
        for status in [200, 204] {
            try await World.with { world in
                try await world.clock("2026-10-05T12:00:00+08:00")
                world.inbox.answers.withLock { $0 = [500, 302, status] }
                _ = try await world.paid("ENDS0001")
                try await world.clock("2026-10-07T12:00:00+08:00")
                #expect(world.inbox.count == 3)
            }
        }
    }

    @Test func `callbacks overtake each other, and come before the answer`() async throws {
        try await World.with { world in
            try await world.clock("2026-10-05T12:00:00+08:00")
            try await world.fault("payment_callback", "out_of_order")
            let first = try await world.paid("ORDERED1")
            #expect(world.inbox.count == 0)
            _ = try await world.paid("ORDERED2")
            let numbers = try world.inbox.contents(world.link).map { $0.resource["out_trade_no"]?.string }
            #expect(numbers == ["ORDERED2", "ORDERED1"])
            try await world.fault("refund", "notify_first")
            #expect(try await world.refund("RF1", first, 100).status == 200)
            let last = try #require(try world.inbox.contents(world.link).last)
            #expect(last.eventType == "REFUND.SUCCESS" && last.resource["out_refund_no"]?.string == "RF1")
            try await world.clock("2026-10-05T12:01:00+08:00")
            #expect(world.inbox.count == 3)
            // A query may say less than the callback did.
            try await world.fault("query_refund", "stale")
            let target = "/v3/ecommerce/refunds/out-refund-no/RF1?sub_mchid=\(World.sub)"
            #expect(try await world.send("GET", target).json["status"]?.string == "PROCESSING")
            #expect(try await world.send("GET", target).json["status"]?.string == "SUCCESS")
            try await world.fault("query_refund", "not_found")
            #expect(try await world.send("GET", target).code == "RESOURCE_NOT_EXISTS")
            try await world.fault("query", "not_found")
            let order =
                "/v3/pay/partner/transactions/out-trade-no/ORDERED1?sp_mchid=\(World.mchid)&sub_mchid=\(World.sub)"
            #expect(try await world.send("GET", order).code == "ORDER_NOT_EXIST")
            try await world.fault("query", "stale")
            #expect(try await world.send("GET", order).json["trade_state"]?.string == "NOTPAY")
        }
    }

    @Test func `a request is lost and done much later all the same`() async throws {
        try await World.with { world in
            try await world.clock("2026-10-05T12:00:00+08:00")
            try await world.deposit(1000)
            try await world.fault(
                "withdraw", "execute_late", [.init("seconds", 900), .init("match", ["serial": "LATE1"])])
            let body: JSON = ["sub_mchid": .string(World.sub), "out_request_no": "LATE1", "amount": 1000]
            await #expect(throws: (any Error).self) {
                try await world.send("POST", "/v3/ecommerce/fund/withdraw", body)
            }
            let target = "/v3/ecommerce/fund/withdraw/out-request-no/LATE1?sub_mchid=\(World.sub)"
            #expect(try await world.send("GET", target).code == "RESOURCE_NOT_EXISTS")
            #expect(try await world.funds() == [1000, 0])
            try await world.clock("2026-10-05T12:17:00+08:00")
            #expect(try await world.send("GET", target).json["status"]?.string == "SUCCESS")
            #expect(try await world.funds() == [0, 0])
        }
    }

    @Test func `outcomes are delayed on command`() async throws {
        try await World.with { world in
            try await world.clock("2026-10-05T12:00:00+08:00")
            try await world.addReceiver()
            let transaction = try await world.paid("DELAYED1")
            try await world.clock("2026-10-05T12:02:00+08:00")
            try await world.fault("split_result", "delayed", [.init("seconds", 600)])
            try await world.fault("refund_result", "delayed", [.init("seconds", 600)])
            #expect(try await world.split("S1", transaction, 100).status == 200)
            #expect(try await world.refund("R1", transaction, 100).status == 403)
            #expect(try await world.refund("R1", try await world.paid("DELAYED2"), 100).status == 200)
            let refund = "/v3/ecommerce/refunds/out-refund-no/R1?sub_mchid=\(World.sub)"
            try await world.clock("2026-10-05T12:10:00+08:00")
            #expect(try await world.splitResult("S1", transaction) == ["PENDING", nil])
            #expect(try await world.send("GET", refund).json["status"]?.string == "PROCESSING")
            try await world.clock("2026-10-05T12:13:00+08:00")
            #expect(try await world.splitResult("S1", transaction) == ["SUCCESS", nil])
            #expect(try await world.send("GET", refund).json["status"]?.string == "SUCCESS")
            _ = try await world.books()
        }
    }

    @Test func `limits are those of a call, and answer with its code`() async throws {
        try await World.with("ecommerce", [.init("rate_limits", ["split": 2, "balance": 2])]) { world in
            func codes(_ call: @escaping @Sendable () async throws -> String?) async throws -> Set<String?> {
                try await withThrowingTaskGroup(of: String?.self) { group in
                    for _ in 0..<30 { group.addTask { try await call() } }
                    return try await group.reduce(into: []) { $0.insert($1) }
                }
            }
            let splits = try await codes { try await world.split("S1", "4200", 1).code }
            #expect(splits == ["FREQUENCY_LIMITED", "RESOURCE_NOT_EXISTS"])
            let balances = try await codes {
                try await world.send("GET", "/v3/ecommerce/fund/balance/\(World.sub)").code
            }
            #expect(balances == ["RATELIMIT_EXCEEDED", nil])
        }
        // Accounts are changed twenty times a minute at most, whoever's they are; the minute may turn once meanwhile.
        try await World.with { world in
            let target = "/v3/apply4sub/sub_merchants/\(World.sub)/modify-settlement"
            var codes: [String?] = []
            for _ in 0..<41 { codes.append(try await world.send("POST", target, [:]).code) }
            #expect(codes.first == "PARAM_ERROR" && codes.contains("RATELIMIT_EXCEEDED"))
        }
    }

    @Test func `bills are late, empty, cut short or wrong on command`() async throws {
        try await World.with { world in
            try await world.clock("2026-10-05T12:00:00+08:00")
            _ = try await world.paid("BILLED01")
            try await world.clock("2026-10-06T12:00:00+08:00")
            let target = "/v3/bill/tradebill?bill_date=2026-10-05"
            let good = try await world.send("GET", target).json
            for (fault, code) in [("not_ready", "STATEMENT_CREATING"), ("empty_day", "NO_STATEMENT_EXIST")] {
                try await world.fault("bill", fault)
                #expect(try await world.send("GET", target).code == code)
            }
            try await world.fault("bill", "wrong_hash")
            let other = try await world.send("GET", target).json
            #expect(other["hash_value"]?.string == String(repeating: "0", count: 40))
            #expect(other["hash_type"]?.string == "SHA1" && other["download_url"]?.string != nil)
            try await world.fault("bill", "wrong_total")
            let wrong = try await world.send("GET", target).json
            #expect(wrong["hash_value"] != good["hash_value"])
        }
    }

    @Test func `an application waits ten days for its account's proof and thirty for a signature`() async throws {
        try await World.with { world in
            let key = try #require(world.link.publicKey).serial
            try await world.clock("2026-10-05T12:00:00+08:00")
            func apply(_ number: String) async throws {
                let form: JSON = [
                    "out_request_no": .string(number), "organization_type": "2401", "merchant_shortname": "茶铺",
                    "sales_scene_info": ["store_name": "茶铺"],
                    "contact_info": [
                        "contact_name": try world.sealed("张三"), "mobile_phone": try world.sealed("13800138000"),
                    ],
                ]
                #expect(
                    try await world.send("POST", "/v3/ecommerce/applyments/", form, sealedFor: key).status == 200)
            }
            func move(_ number: String, _ state: String) async throws {
                try await world.control(
                    "POST", "/applyments",
                    [
                        "merchant": .string(World.mchid), "out_request_no": .string(number), "state": .string(state),
                    ])
            }
            func found(_ number: String) async throws -> JSON {
                try await world.send("GET", "/v3/ecommerce/applyments/out-request-no/\(number)").json
            }
            for number in ["PROOF", "SIGN", "DONE"] { try await apply(number) }
            try await move("PROOF", "ACCOUNT_NEED_VERIFY")
            for number in ["SIGN", "DONE"] {
                try await move(number, "AUDITING")
                try await move(number, "NEED_SIGN")
            }
            try await move("DONE", "FINISH")
            try await world.clock("2026-10-15T11:59:00+08:00")
            #expect(try await found("PROOF")["applyment_state"]?.string == "ACCOUNT_NEED_VERIFY")
            #expect(
                try await found("PROOF")["account_validation"]?["deadline"]?.string?.hasPrefix("2026-10-15") == true)
            try await world.clock("2026-10-15T12:01:00+08:00")
            #expect(try await found("PROOF")["applyment_state"]?.string == "REJECTED")
            #expect(try await found("PROOF")["audit_detail"]?.array?.isEmpty == false)
            #expect(try await found("SIGN")["sign_state"]?.string == "UNSIGNED")
            try await world.clock("2026-11-04T12:01:00+08:00")
            #expect(try await found("SIGN")["applyment_state"]?.string == "CANCELED")
            #expect(try await found("DONE")["applyment_state"]?.string == "FINISH")
            // Corrected, it is checked again.
            try await apply("PROOF")
            #expect(try await found("PROOF")["applyment_state"]?.string == "CHECKING")
        }
    }

    @Test func `a sub-merchant's violations are told where that was asked for`() async throws {
        try await World.with { world in
            let target = "/v3/merchant-risk-manage/violation-notifications"
            let body: JSON = ["notify_url": .string(world.callbackURL)]
            #expect(try await world.send("GET", target).code == "RESOURCE_NOT_EXISTS")
            #expect(try await world.send("PUT", target, body).code == "RESOURCE_NOT_EXISTS")
            #expect(try await world.send("POST", target, ["notify_url": "http://a.example/?b"]).code == "PARAM_ERROR")
            #expect(try await world.send("POST", target, body).status == 200)
            #expect(try await world.send("POST", target, body).code == "RESOURCE_ALREADY_EXISTS")
            #expect(try await world.send("PUT", target, body).status == 200)
            #expect(try await world.send("GET", target).json == body)
            for event in ["PUNISH", "INTERCEPT", "APPEAL"] {
                let answer = try await world.control(
                    "POST", "/violations",
                    [
                        "merchant": .string(World.mchid), "sub_mchid": .string(World.sub), "event": .string(event),
                        "frozen": .bool(event == "PUNISH"), "punish_plan": "关闭提现权限",
                    ])
                #expect(answer["callback"]?.string == "delivered")
                let notice = try #require(try world.inbox.contents(world.link).last)
                #expect(notice.eventType == "VIOLATION.\(event)")
                #expect(notice.resource["record_id"] == answer["record_id"])
                #expect(notice.resource["sub_mchid"]?.string == World.sub)
            }
            #expect(try await world.send("DELETE", target).status == 204)
            #expect(try await world.send("DELETE", target).code == "RESOURCE_NOT_EXISTS")
            let untold = try await world.control(
                "POST", "/violations", ["merchant": .string(World.mchid), "sub_mchid": .string(World.sub)])
            #expect(untold["callback"]?.string == "none" && world.inbox.count == 3)
        }
    }
}
