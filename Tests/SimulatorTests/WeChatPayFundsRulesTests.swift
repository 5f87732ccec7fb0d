import CustodyDomain
import CustodySimulators
import CustodyWire
import Testing

/// WeChat's rules about money that leaves: withdrawals, those of a day's end, and closing with what is left.
@Suite struct WeChatPayFundsRulesTests {
    private typealias World = WeChatPayPartnerWorld

    private static func withdrawal(_ world: World, _ number: String, _ amount: Int64) async throws -> World.Answer {
        try await world.send(
            "POST", "/v3/ecommerce/fund/withdraw",
            [
                "sub_mchid": .string(World.sub), "out_request_no": .string(number), "amount": JSON(amount),
                "notify_url": .string(world.callbackURL),
            ])
    }

    private static func status(_ world: World, _ number: String) async throws -> String? {
        let target = "/v3/ecommerce/fund/withdraw/out-request-no/\(number)?sub_mchid=\(World.sub)"
        return try await world.send("GET", target).json["status"]?.string
    }

    @Test func `a withdrawal without money stays as INIT, and the same one again takes it up within six days`()
        async throws
    {
        try await World.with { world in
            try await world.clock("2026-10-05T12:00:00+08:00")
            #expect(try await Self.withdrawal(world, "W1", 5000).code == "NOT_ENOUGH")
            #expect(try await Self.status(world, "W1") == "INIT")
            #expect(try await Self.withdrawal(world, "W1", 4999).code == "INVALID_REQUEST")
            #expect(try await Self.withdrawal(world, "W2", 5000).code == "NOT_ENOUGH")
            try await world.deposit(5000)
            #expect(try await Self.withdrawal(world, "W1", 5000).status == 200)
            #expect(try await Self.status(world, "W1") == "CREATE_SUCCESS")
            #expect(try await world.funds() == [0, 0])
            // Sent once more, it is the same withdrawal.
            #expect(try await Self.withdrawal(world, "W1", 5000).status == 200)
            try await world.clock("2026-10-05T12:02:00+08:00")
            #expect(try await Self.status(world, "W1") == "SUCCESS")
            try await world.deposit(6000)
            try await world.clock("2026-10-11T12:05:00+08:00")
            for number in ["W1", "W2"] {
                let late = try await Self.withdrawal(world, number, 5000)
                #expect(late.code == "INVALID_REQUEST")
                #expect(late.json["message"]?.string == "当前请求已经超过有效期")
            }
            #expect(try await world.funds() == [6000, 0])
            #expect(try await Self.withdrawal(world, "W3", 80_000_000_001).code == "PARAM_ERROR")
            #expect(try await world.books()["withdrawn_fen"]?.integer == 5000)
        }
    }

    @Test func `a withdrawal ends as it was told to, and its money is somewhere at every moment`() async throws {
        let cases: [(String, [JSON.Member], [String])] = [
            ("failed", [.init("reason", "账户已销户")], ["FAIL", "FAIL"]), ("closed", [], ["CLOSE", "CLOSE"]),
            ("delayed", [.init("seconds", 3600)], ["CREATE_SUCCESS", "SUCCESS"]),
            ("processing", [], ["CREATE_SUCCESS", "CREATE_SUCCESS"]),
            ("returned", [.init("after_days", 3)], ["SUCCESS", "REFUND"]),
        ]
        try await World.with { world in
            try await world.clock("2026-10-05T12:00:00+08:00")
            try await world.deposit(10_000)
            for (index, (fault, more, states)) in cases.enumerated() {
                try await world.fault("withdraw_result", fault, more)
                try await world.clock("2026-10-\(10 + index * 4)T12:00:00+08:00")
                #expect(try await Self.withdrawal(world, "E\(index)", 1000).status == 200)
                try await world.clock("2026-10-\(10 + index * 4)T12:02:00+08:00")
                #expect(try await Self.status(world, "E\(index)") == states[0], "\(fault)")
                _ = try await world.books()
                try await world.clock("2026-10-\(13 + index * 4)T12:02:00+08:00")
                #expect(try await Self.status(world, "E\(index)") == states[1], "\(fault)")
            }
            #expect(try await world.funds() == [8000, 0])
            #expect(try await world.books()["withdrawn_fen"]?.integer == 2000)
        }
    }

    @Test func `the platform's own withdrawal is done on the next day, and its notice names nobody`() async throws {
        try await World.with { world in
            try await world.clock("2026-10-05T12:00:00+08:00")
            try await world.deposit(700, toPlatform: true)
            let body: JSON = [
                "out_request_no": "OWN1", "amount": 700, "account_type": "BASIC",
                "notify_url": .string(world.callbackURL),
            ]
            #expect(try await world.send("POST", "/v3/merchant/fund/withdraw", body).status == 200)
            let target = "/v3/merchant/fund/withdraw/out-request-no/OWN1"
            try await world.clock("2026-10-06T08:59:00+08:00")
            #expect(try await world.send("GET", target).json["status"]?.string == "CREATE_SUCCESS")
            try await world.clock("2026-10-06T09:00:00+08:00")
            let answer = try await world.send("GET", target).json
            #expect(answer["status"]?.string == "SUCCESS")
            #expect(answer["sp_mchid"] == nil && answer["sub_mchid"] == nil && answer["solution"] != nil)
            let notice = try #require(try world.inbox.contents(world.link).last)
            #expect(notice.eventType == "MCHWITHDRAW.CHANGE" && notice.resource["sp_mchid"] == nil)
        }
    }

    @Test func `a frozen sub-merchant, or one whose account failed its check, withdraws nothing`() async throws {
        try await World.with { world in
            try await world.deposit(1000)
            func change(_ more: JSON.Member) async throws {
                try await world.control(
                    "POST", "/sub-merchants",
                    .object([.init("merchant", .string(World.mchid)), .init("sub_mchid", .string(World.sub)), more]))
            }
            try await change(.init("verify_result", "VERIFY_FAIL"))
            #expect(try await Self.withdrawal(world, "F1", 1).code == "ACCOUNT_NOT_VERIFIED")
            try await change(.init("verify_result", "VERIFYING"))
            #expect(try await Self.withdrawal(world, "F2", 1).status == 200)
            try await change(.init("frozen", true))
            #expect(try await Self.withdrawal(world, "F3", 1).code == "NO_AUTH")
            // Without permission nothing is recorded.
            #expect(try await Self.status(world, "F3") == nil)
        }
    }

    private static let dayEnd = "/v3/platsolution/ecommerce/withdraw/day-end-balance-withdraw"

    private static func dayEndWithdrawal(
        _ world: World, _ number: String, _ type: String, reserve: Int64? = nil
    ) async throws -> World.Answer {
        let body: JSON = [
            "sub_mchid": .string(World.sub), "out_request_no": .string(number), "calculate_amount_type": .string(type),
            "reserve_amount": JSON(reserve), "notify_url": .string(world.callbackURL),
        ]
        return try await world.send("POST", dayEnd, body.omittingNulls)
    }

    @Test func `a day's end is withdrawn between ten and five to midnight, less the reserve`() async throws {
        try await World.with { world in
            try await world.clock("2026-10-05T20:00:00+08:00")
            try await world.deposit(5000)
            try await world.clock("2026-10-06T09:59:00+08:00")
            try await world.deposit(900)
            let only = "ONLY_DAY_END_BALANCE"
            #expect(try await Self.dayEndWithdrawal(world, "D1", only).code == "INVALID_REQUEST")
            try await world.clock("2026-10-06T10:00:00+08:00")
            #expect(try await Self.dayEndWithdrawal(world, "D-1", only).code == "PARAM_ERROR")
            #expect(try await Self.dayEndWithdrawal(world, "D1", "ALL_OF_IT").code == "PARAM_ERROR")
            #expect(try await Self.dayEndWithdrawal(world, "D1", only, reserve: -1).code == "PARAM_ERROR")
            #expect(try await Self.dayEndWithdrawal(world, "D1", only, reserve: 5000).code == "NOT_ENOUGH")
            let accepted = try await Self.dayEndWithdrawal(world, "D1", only, reserve: 1000)
            #expect(accepted.json["total_amount"]?.integer == 4000)
            #expect(accepted.json["status"]?.string == "CREATED")
            #expect(try await Self.dayEndWithdrawal(world, "D1", only, reserve: 1000).json == accepted.json)
            #expect(try await Self.dayEndWithdrawal(world, "D1", only, reserve: 999).code == "INVALID_REQUEST")
            // 1900 are left of the 5000 there were.
            #expect(try await Self.dayEndWithdrawal(world, "D2", only).code == "NOT_ENOUGH")
            let less = try await Self.dayEndWithdrawal(world, "D2", "ALLOW_CURRENT_BALANCE", reserve: 900)
            #expect(less.json["total_amount"]?.integer == 1000)
            try await world.clock("2026-10-06T10:00:20+08:00")
            let target = "\(Self.dayEnd)/out-request-no/D1?sub_mchid=\(World.sub)"
            #expect(try await world.send("GET", target).json["status"]?.string == "PROCESSING")
            try await world.clock("2026-10-06T10:02:00+08:00")
            let done = try await world.send("GET", target).json
            #expect(done["status"]?.string == "FINISHED" && done["success_amount"]?.integer == 4000)
            try await world.clock("2026-10-06T23:55:00+08:00")
            #expect(try await Self.dayEndWithdrawal(world, "D3", only).code == "INVALID_REQUEST")
            #expect(try await world.books()["withdrawn_fen"]?.integer == 5000)
            try await world.clock("2027-01-04T10:03:00+08:00")
            #expect(try await world.send("GET", target).code == "RESOURCE_NOT_EXISTS")
        }
    }

    @Test func `a day's end fails in part, or comes back`() async throws {
        try await World.with { world in
            try await world.clock("2026-10-05T20:00:00+08:00")
            try await world.deposit(5000)
            try await world.clock("2026-10-06T12:00:00+08:00")
            try await world.fault("day_end_withdraw_result", "failed", [.init("fail_fen", 1500)])
            _ = try await Self.dayEndWithdrawal(world, "P1", "ONLY_DAY_END_BALANCE")
            try await world.clock("2026-10-06T12:02:00+08:00")
            let target = "\(Self.dayEnd)/out-request-no/P1?sub_mchid=\(World.sub)"
            let part = try await world.send("GET", target).json
            #expect(part["status"]?.string == "ABNORMAL")
            #expect(part["success_amount"]?.integer == 3500 && part["fail_amount"]?.integer == 1500)
            #expect(try await world.funds() == [1500, 0])
            try await world.clock("2026-10-07T12:00:00+08:00")
            try await world.fault("day_end_withdraw_result", "returned", [.init("after_days", 2)])
            _ = try await Self.dayEndWithdrawal(world, "P2", "ONLY_DAY_END_BALANCE")
            try await world.clock("2026-10-08T12:00:00+08:00")
            #expect(try await world.funds() == [0, 0])
            try await world.clock("2026-10-09T12:02:00+08:00")
            let back = try await world.send("GET", "\(Self.dayEnd)/out-request-no/P2?sub_mchid=\(World.sub)").json
            #expect(back["status"]?.string == "ABNORMAL" && back["refund_amount"]?.integer == 1500)
            #expect(try await world.funds() == [1500, 0])
            _ = try await world.books()
            #expect(
                try world.inbox.contents(world.link).map(\.eventType)
                    == Array(repeating: "MCHWITHDRAW.CHANGE", count: 3))
        }
    }

    private static let closing = "/v3/ecommerce/account/apply-cancel-withdraw"

    private static func form(_ world: World, _ number: String, _ more: [JSON.Member] = []) throws -> JSON {
        let bank: JSON = [
            "account_name": try world.sealed("茶铺有限公司"), "account_bank": "工商银行",
            "account_number": try world.sealed("6222021234567890123"),
        ]
        return .object(
            [
                .init("sub_mchid", .string(World.sub)), .init("out_request_no", .string(number)),
                .init("payee_info", ["account_type": "ACCOUNT_TYPE_CORPORATE", "bank_account_info": bank]),
            ] + more)
    }

    private static func confirmation(_ number: String) -> JSON {
        [
            "out_request_no": .string(number), "sub_mchid": .string(World.sub), "operator_identification": "op-7",
            "confirm_time": "2026-10-05T12:05:00+08:00", "cancel_contract_version": "1",
        ]
    }

    @Test func `a sub-merchant is closed with its money, after it agreed`() async throws {
        try await World.with { world in
            let key = try #require(world.link.publicKey).serial
            try await world.clock("2026-10-05T12:00:00+08:00")
            let transaction = try await world.paid("CLOSING1")
            let check = "\(Self.closing)/validate-cancel/\(World.sub)"
            var found = try await world.send("GET", check).json
            #expect(found["validate_result"]?.string == "NOT_ALLOW_CANCEL_WITHDRAW")
            #expect(found["block_reasons"]?.array?.first?["type"]?.string == "FUNDS_PENDING_PROCESSING")
            try await world.clock("2026-10-05T12:02:00+08:00")
            let finish: JSON = [
                "sub_mchid": .string(World.sub), "transaction_id": transaction, "out_order_no": "FIN1",
                "description": "完结",
            ]
            #expect(try await world.send("POST", "/v3/ecommerce/profitsharing/finish-order", finish).status == 200)
            found = try await world.send("GET", check).json
            #expect(found["validate_result"]?.string == "ALLOW_CANCEL_WITHDRAW")
            #expect(found["account_info"]?.array?.first?["amount"]?.integer == 9940)

            let keep = try Self.form(world, "C0", [.init("withdraw", "NOT_APPLY_WITHDRAW")])
            #expect(try await world.send("POST", Self.closing, keep, sealedFor: key).code == "INVALID_REQUEST")
            #expect(try await world.send("POST", Self.closing, try Self.form(world, "C1")).code == "PARAM_ERROR")
            #expect(
                try await world.send("POST", Self.closing, try Self.form(world, "C-1"), sealedFor: key).code
                    == "PARAM_ERROR")
            let first = try await world.send("POST", Self.closing, try Self.form(world, "C1"), sealedFor: key)
            #expect(first.status == 200)
            // Sealed anew it is other text, and the same application.
            #expect(
                try await world.send("POST", Self.closing, try Self.form(world, "C1"), sealedFor: key).json
                    == first.json)
            #expect(
                try await world.send("POST", Self.closing, try Self.form(world, "C2"), sealedFor: key).code
                    == "INVALID_REQUEST")
            let confirm = "\(Self.closing)/confirm"
            #expect(try await world.send("POST", confirm, Self.confirmation("C1")).code == "INVALID_REQUEST")
            func state() async throws -> JSON {
                try await world.send("GET", "\(Self.closing)/out-request-no/C1").json
            }
            #expect(try await state()["cancel_state"]?.string == "ACCEPTED")
            try await world.clock("2026-10-05T12:02:30+08:00")
            #expect(try await state()["cancel_state"]?.string == "REVIEWING")
            try await world.clock("2026-10-05T12:05:00+08:00")
            #expect(try await state()["cancel_state"]?.string == "WAITING_MERCHANT_CONFIRM")
            #expect(try await state()["confirm_cancel"]?["confirm_cancel_url"] != nil)
            #expect(try await world.send("POST", confirm, Self.confirmation("C1")).status == 200)
            #expect(try await world.send("POST", confirm, Self.confirmation("C1")).status == 200)
            #expect(try await state()["cancel_state"]?.string == "SYSTEM_PROCESSING")
            try await world.fault("closing_payment_result", "returned", [.init("after_days", 2)])
            try await world.clock("2026-10-05T12:06:10+08:00")
            #expect(try await state()["cancel_state"]?.string == "FUND_PROCESSING")
            #expect(try await world.books()["withdrawn_fen"]?.integer == 9940)
            try await world.clock("2026-10-05T12:08:00+08:00")
            #expect(try await state()["cancel_state"]?.string == "FINISH")
            #expect(try await state()["withdraw_state"]?.string == "WITHDRAW_SUCCEED")
            #expect(try await world.send("GET", check).json["merchant_state"]?.string == "HAS_BEEN_CANCELLED")
            try await world.clock("2026-10-07T12:08:00+08:00")
            #expect(
                try await state()["account_withdraw_result"]?.array?.first?["pay_state"]?.string == "BANK_REFUNDED")
            #expect(try await world.books()["kept_fen"]?.integer == 9940)
        }
    }

    @Test func `a closing is refused while something blocks it, and is void when nobody agrees`() async throws {
        try await World.with { world in
            let key = try #require(world.link.publicKey).serial
            try await world.clock("2026-10-05T12:00:00+08:00")
            func control(_ more: [JSON.Member]) async throws {
                try await world.control(
                    "POST", "/sub-merchants",
                    .object([.init("merchant", .string(World.mchid)), .init("sub_mchid", .string(World.sub))] + more))
            }
            try await control([.init("complaints", 1), .init("frozen", true)])
            let check = try await world.send("GET", "\(Self.closing)/validate-cancel/\(World.sub)").json
            #expect(
                check["block_reasons"]?.array?.compactMap { $0["type"]?.string }
                    == ["CONSUMER_COMPLAINT_UNPROCESSED", "HAS_BLOCKING_CONTROL"])
            func apply(_ number: String) async throws -> Int {
                try await world.send("POST", Self.closing, try Self.form(world, number), sealedFor: key).status
            }
            func state(_ number: String) async throws -> String? {
                try await world.send("GET", "\(Self.closing)/out-request-no/\(number)").json["cancel_state"]?.string
            }
            #expect(try await apply("B1") == 200)
            try await world.clock("2026-10-05T12:10:00+08:00")
            #expect(try await state("B1") == "REJECTED")
            try await control([.init("complaints", 0), .init("frozen", false)])
            try await world.fault("closing_result", "rejected", [.init("reason", "材料不清晰")])
            #expect(try await apply("B2") == 200)
            try await world.clock("2026-10-05T12:20:00+08:00")
            #expect(try await state("B2") == "REJECTED")
            #expect(try await apply("B3") == 200)
            try await world.clock("2026-10-06T12:20:00+08:00")
            #expect(try await state("B3") == "WAITING_MERCHANT_CONFIRM")
            try await world.clock("2026-11-06T12:20:00+08:00")
            #expect(try await state("B3") == "REVOKED")
            #expect(
                try await world.send("POST", "\(Self.closing)/confirm", Self.confirmation("B3")).code
                    == "INVALID_REQUEST")
        }
    }
}
