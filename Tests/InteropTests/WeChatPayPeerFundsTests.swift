import CustodyDomain
import CustodySimulators
import CustodyWire
import Synchronization
import Testing

/// The rest of what 电商收付通 has at our simulated WeChat Pay, judged by `wechatpayv3`.
@Suite struct WeChatPayPeerFundsTests {
    private typealias Peers = WeChatPayPeerTests

    private static let sub = JSON.string(Peers.subMchid)

    private static func clock(_ world: Peers.World, _ time: String) async throws {
        try await world.control("PUT", "/clock", ["merchant": .string(Peers.mchid), "now": .string(time)])
    }

    /// Places an order of the sub-merchant with the library, and pays it; its transaction's number.
    private static func paid(
        _ world: Peers.World, _ mode: String, _ number: String, subsidy: Int64?
    ) async throws -> JSON {
        let settlement: JSON = ["profit_sharing": true, "subsidy_amount": JSON(subsidy)]
        let order: JSON = [
            [
                "call": "pay",
                "kwargs": [
                    "description": "茶", "out_trade_no": .string(number), "amount": ["total": 10000], "sub_mchid": sub,
                    "settle_info": settlement.omittingNulls, "pay_type": "NATIVE",
                ],
            ]
        ]
        try #require(try await world.client(mode, partner: true, order)[0]["status"]?.integer == 200)
        let paid = try await world.control(
            "POST", "/pay", ["mchid": .string(Peers.mchid), "sub_mchid": sub, "out_trade_no": .string(number)])
        return try #require(paid["transaction_id"])
    }

    @Test(arguments: ["public_key", "certificates"])
    func `its client says where violations are told, and its judge reads what is`(_ mode: String) async throws {
        let signedBy: JSON = mode == "public_key" ? "public_key" : "certificate"
        try await Peers.with("ecommerce", [.init("callbacks_signed_by", signedBy)]) { world in
            let url = JSON.string(world.callbackURL)
            let steps: JSON = [
                ["call": "merchantrisk_callback_query"],
                ["call": "merchantrisk_callback_create", "kwargs": ["notify_url": "https://pay.example.com/old"]],
                ["call": "merchantrisk_callback_create", "kwargs": ["notify_url": url]],
                ["call": "merchantrisk_callback_update", "kwargs": ["notify_url": url]],
                ["call": "merchantrisk_callback_query"],
            ]
            let answers = try await world.client(mode, partner: true, steps)
            #expect(answers[0]["body"]?["code"]?.string == "RESOURCE_NOT_EXISTS")
            #expect(answers[2]["body"]?["code"]?.string == "RESOURCE_ALREADY_EXISTS")
            for index in [3, 4] { #expect(try Peers.body(answers[index])["notify_url"] == url) }
            let told = try await world.control(
                "POST", "/violations",
                ["merchant": .string(Peers.mchid), "sub_mchid": Self.sub, "event": "INTERCEPT"])
            let request = try #require(world.inbox.received.withLock { $0.last })
            let headers = JSON.object(request.headers.map { JSON.Member($0.name, .string($0.value)) })
            let body = JSON.string(String(decoding: request.body, as: UTF8.self))
            let verdicts = try await world.verdicts([["headers": headers, "body": body]])
            #expect(verdicts[0]["record_id"] == told["record_id"])
            #expect(verdicts[0]["sub_mchid"] == Self.sub)
            let removal: JSON = [["call": "merchantrisk_callback_delete"], ["call": "merchantrisk_callback_query"]]
            let removed = try await world.client(mode, partner: true, removal)
            #expect(removed[0]["status"]?.integer == 204)
            #expect(removed[1]["body"]?["code"]?.string == "RESOURCE_NOT_EXISTS")
        }
    }

    @Test(arguments: ["public_key", "certificates"])
    func `its signatures add to an order, and its key opens the sealed bills`(_ mode: String) async throws {
        try await Peers.with("ecommerce") { world in
            try await Self.clock(world, "2026-10-05T12:00:00+08:00")
            try await world.control(
                "POST", "/sub-merchants",
                [
                    "merchant": .string(Peers.mchid), "sub_mchid": Self.sub, "add_available_fen": 500,
                    "to_platform": true,
                ])
            let transaction = try await Self.paid(world, mode, "PEERSUBS1", subsidy: 300)
            let refund: JSON = [
                "sub_mchid": Self.sub, "sp_appid": .string(Peers.appid), "transaction_id": transaction,
                "out_refund_no": "R1", "amount": ["refund": 1000, "total": 10000, "currency": "CNY"],
            ]
            let add: JSON = [
                "sub_mchid": Self.sub, "transaction_id": transaction, "amount": 300, "description": "补贴",
            ]
            let back: JSON = [
                "sub_mchid": Self.sub, "transaction_id": transaction, "out_order_no": "B1",
                "refund_id": "$1.refund_id", "amount": 100, "description": "退补贴",
            ]
            let answers = try await world.client(
                mode, partner: true,
                [
                    ["request": ["POST", "/v3/ecommerce/subsidies/create"], "data": add],
                    ["request": ["POST", "/v3/ecommerce/refunds/apply"], "data": refund],
                    ["request": ["POST", "/v3/ecommerce/subsidies/return"], "data": back],
                ])
            #expect(try Peers.body(answers[0])["subsidy_id"] != nil)
            #expect(try Peers.body(answers[2])["result"]?.string == "SUCCESS")
            try await Self.clock(world, "2026-10-06T10:00:00+08:00")
            let all = "/v3/ecommerce/bill/fundflowbill?bill_date=2026-10-05&account_type=ALL&algorithm=AEAD_AES_256_GCM"
            let bills = try await world.client(
                mode, partner: true,
                [
                    [
                        "call": "submch_fundflow_bill",
                        "kwargs": [
                            "sub_mchid": Self.sub, "bill_date": "2026-10-05", "account_type": "BASIC",
                            "tar_type": "GZIP",
                        ],
                    ],
                    ["open_bill": "$0.download_bill_list"], ["request": ["GET", .string(all)]],
                    ["open_bill": "$2.download_bill_list"],
                    ["call": "profitsharing_bill", "kwargs": ["bill_date": "2026-10-05", "sub_mchid": Self.sub]],
                ])
            let own = try #require(try Peers.body(bills[1])["text"]?.string, "\(bills[1].text)")
            #expect(own.contains("补差") && own.contains("补差回退"))
            let content = try StatementContent(
                reading: StatementFile(Array(own.utf8)), from: .weChatPay)
            #expect(content.lines.map(\.amount.value) == [10_000, -60, 300, -994, -100])
            #expect(try Peers.body(bills[3])["text"]?.string?.contains("`\(Peers.subMchid),`BASIC,") == true)
            #expect(bills[4]["body"]?["code"]?.string == "NO_STATEMENT_EXIST")
        }
    }

    @Test(arguments: ["public_key", "certificates"])
    func `its client follows a change of account, and its seals close a sub-merchant`(_ mode: String) async throws {
        try await Peers.with("ecommerce") { world in
            try await Self.clock(world, "2026-10-05T12:00:00+08:00")
            try await world.control(
                "POST", "/sub-merchants",
                ["merchant": .string(Peers.mchid), "sub_mchid": Self.sub, "add_available_fen": 5000])
            try await world.control("POST", "/faults", ["operation": "settlement_result", "fault": "failed"])
            let change: JSON = [
                "call": "applyment_settlement_modify",
                "kwargs": [
                    "sub_mchid": Self.sub, "account_type": "ACCOUNT_TYPE_BUSINESS", "account_bank": "招商银行",
                    "bank_address_code": "310000", "account_number": "6225880123456789",
                ],
            ]
            let first = try await world.client(mode, partner: true, [change])
            let number = try #require(try Peers.body(first[0])["application_no"])
            try await Self.clock(world, "2026-10-06T10:01:00+08:00")
            let bank: JSON = [
                "account_name": "茶铺有限公司", "account_bank": "工商银行", "account_number": "6222021234567890123",
            ]
            let closing: JSON = [
                "sub_mchid": Self.sub, "out_request_no": "CLOSE1",
                "payee_info": ["account_type": "ACCOUNT_TYPE_CORPORATE", "bank_account_info": bank],
            ]
            let dayEnd: JSON = [
                "sub_mchid": Self.sub, "out_request_no": "DAYEND1", "calculate_amount_type": "ONLY_DAY_END_BALANCE",
                "reserve_amount": 1000,
            ]
            let base = "/v3/ecommerce/account/apply-cancel-withdraw"
            let account = "/v3/apply4sub/sub_merchants/\(Peers.subMchid)"
            let second = try await world.client(
                mode, partner: true,
                [
                    ["request": ["GET", .string("\(account)/application/\(number.string ?? "")")]],
                    [
                        "request": ["POST", "/v3/platsolution/ecommerce/withdraw/day-end-balance-withdraw"],
                        "data": dayEnd,
                    ],
                    ["request": ["GET", .string("\(base)/validate-cancel/\(Peers.subMchid)")]],
                    [
                        "request": ["POST", .string(base)], "data": closing,
                        "seal": [
                            "payee_info.bank_account_info.account_name",
                            "payee_info.bank_account_info.account_number",
                        ],
                    ],
                    ["request": ["GET", .string("\(base)/out-request-no/CLOSE1")]],
                ])
            #expect(try Peers.body(second[0])["verify_result"]?.string == "AUDIT_FAIL")
            #expect(try Peers.body(second[1])["total_amount"]?.integer == 4000)
            #expect(
                try Peers.body(second[2])["block_reasons"]?.array?.first?["type"]?.string
                    == "FUNDS_PENDING_PROCESSING")
            #expect(try Peers.body(second[3])["applyment_id"] != nil)
            #expect(try Peers.body(second[4])["cancel_state"]?.string == "ACCEPTED")
        }
    }
}
