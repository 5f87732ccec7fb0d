import AsyncHTTPClient
import CustodyConnectors
import CustodyDomain
import CustodySimulators
import CustodyWire
import Foundation
import Synchronization
import Testing

/// Our simulated WeChat Pay, judged by `wechatpayv3`: its client calls it, and its judge reads its callbacks.
@Suite struct WeChatPayPeerTests {
    static let peer = Peer(environment: "wechatpayv3")
    static let mchid = "1900000109"
    static let subMchid = "1900001121"
    static let appid = "wx8888888888888888"
    static let apiV3Key = "Test0nlyAPIv3KeyTest0nlyAPIv3Key"
    static let serial = "54DB5C5D27D323587894278415D19DC8E4D7BDEE"

    static func key(_ name: String) throws -> String {
        let folder = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        return try String(contentsOf: folder.appending(path: "Fixtures/vectors/keys/\(name)"), encoding: .utf8)
    }

    /// A simulator that listens, and a place that takes its callbacks.
    struct World: Sendable {
        let simulator: WeChatPaySimulator
        let base: String
        let callbackURL: String
        let inbox: Inbox

        final class Inbox: Sendable {
            let received = Mutex<[SimulatorRequest]>([])

            func take(_ request: SimulatorRequest) -> SimulatorResponse {
                received.withLock { $0.append(request) }
                return .answer(status: 204, headers: [], body: [])
            }
        }

        @discardableResult
        func control(_ method: String, _ path: String, _ body: JSON) async throws -> JSON {
            let answer = try await Outbound(client: .shared, timeout: .seconds(30)).call(
                method, base + "/control" + path, headers: [], body: body.bytes)
            let json = try JSON(parsing: answer.body)
            #expect(answer.status == 200, "\(json.text)")
            return json
        }

        /// Runs steps with the library's client, in a key mode.
        func client(_ mode: String, partner: Bool, _ steps: JSON) async throws -> [JSON] {
            let given: JSON = [
                "base": .string(base), "mchid": .string(mchid), "appid": .string(appid), "serial": .string(serial),
                "key": .string(try key("wx_merchant.key.pem")), "apiv3": .string(apiV3Key), "partner": .bool(partner),
                "mode": .string(mode), "notify_url": .string(callbackURL),
                "public_key": .string(simulator.identity.publicKeyPEM),
                "public_key_id": .string(simulator.identity.publicKeyID), "steps": steps,
            ]
            return try #require(try await peer.run("wechat_client", input: given.text).array)
        }

        /// What the library makes of callbacks.
        func verdicts(_ callbacks: [JSON]) async throws -> [JSON] {
            let given: JSON = [
                "mchid": .string(mchid), "appid": .string(appid), "serial": .string(serial),
                "key": .string(try key("wx_merchant.key.pem")), "apiv3": .string(apiV3Key),
                "public_key": .string(simulator.identity.publicKeyPEM),
                "public_key_id": .string(simulator.identity.publicKeyID),
                "certificates": [.string(simulator.identity.certificatePEM)], "callbacks": .array(callbacks),
            ]
            return try #require(try await peer.run("wechat_callbacks", input: given.text).array)
        }
    }

    static func with(
        _ kind: String, _ more: [JSON.Member] = [], _ body: @Sendable (World) async throws -> Void
    ) async throws {
        let inbox = World.Inbox()
        let platform = SimulatorServer { inbox.take($0) }
        let simulator = try WeChatPaySimulator(client: .shared)
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await platform.run() }
            group.addTask { try await simulator.run() }
            let world = World(
                simulator: simulator, base: "http://127.0.0.1:\(try await simulator.boundPort())",
                callbackURL: "http://127.0.0.1:\(try await platform.boundPort())/callback", inbox: inbox)
            let members: [JSON.Member] = [
                .init("mchid", .string(mchid)), .init("appid", .string(appid)), .init("kind", .string(kind)),
                .init("api_v3_key", .string(apiV3Key)), .init("merchant_serial", .string(serial)),
                .init("merchant_public_key_pem", .string(try key("wx_merchant.cert.pem"))),
                .init("sub_merchants", [["sub_mchid": .string(subMchid), "account_number": "6222021234567890123"]]),
            ]
            try await world.control("POST", "/merchants", .object(members + more))
            try await body(world)
            group.cancelAll()
        }
    }

    /// The answer of a step that went well.
    static func body(_ answer: JSON, _ status: Int64 = 200) throws -> JSON {
        try #require(answer["status"]?.integer == status, "\(answer.text)")
        return answer["body"] ?? .null
    }

    @Test(arguments: ["public_key", "certificates"])
    func `its client places, asks for, refunds and closes orders in both key modes`(_ mode: String) async throws {
        try await Self.with("direct") { world in
            let first = try await world.client(
                mode, partner: false,
                [
                    [
                        "call": "pay",
                        "kwargs": [
                            "description": "茶, 两件", "out_trade_no": "PEER0001", "amount": ["total": 100],
                            "pay_type": "NATIVE",
                        ],
                    ],
                    [
                        "call": "pay",
                        "kwargs": [
                            "description": "茶", "out_trade_no": "PEER0002", "amount": ["total": 100],
                            "payer": ["openid": "oBuyer"], "pay_type": "JSAPI",
                        ],
                    ],
                    ["call": "query", "kwargs": ["out_trade_no": "PEER0001"]],
                    ["call": "close", "kwargs": ["out_trade_no": "PEER0002"]],
                    ["call": "query", "kwargs": ["out_trade_no": "PEER0009"]],
                ])
            #expect(try Self.body(first[0])["code_url"]?.string?.hasPrefix("weixin://") == true)
            #expect(try Self.body(first[1])["prepay_id"] != nil)
            #expect(try Self.body(first[2])["trade_state"]?.string == "NOTPAY")
            #expect(first[3]["status"]?.integer == 204)
            #expect(first[4]["status"]?.integer == 404)
            #expect(first[4]["body"]?["code"]?.string == "ORDER_NOT_EXIST")

            try await world.control("POST", "/pay", ["mchid": .string(Self.mchid), "out_trade_no": "PEER0001"])
            let second = try await world.client(
                mode, partner: false,
                [
                    ["call": "query", "kwargs": ["out_trade_no": "PEER0001"]],
                    [
                        "call": "refund",
                        "kwargs": [
                            "out_refund_no": "PR1", "transaction_id": "$0.transaction_id",
                            "amount": ["refund": 40, "total": 100, "currency": "CNY"],
                        ],
                    ],
                    ["call": "query_refund", "kwargs": ["out_refund_no": "PR1"]],
                ])
            #expect(try Self.body(second[0])["trade_state"]?.string == "SUCCESS")
            #expect(try Self.body(second[1])["status"]?.string == "PROCESSING")
            #expect(try Self.body(second[2])["amount"]?["refund"]?.integer == 40)
        }
    }

    @Test(arguments: ["public_key", "certificates"])
    func `its client refuses answers that are forged`(_ mode: String) async throws {
        try await Self.with("direct") { world in
            for fault in ["bad_signature", "probe", "unknown_serial"] {
                try await world.control("POST", "/faults", ["operation": "query", "fault": .string(fault)])
                let answers = try await world.client(
                    mode, partner: false,
                    [
                        [
                            "call": "pay",
                            "kwargs": [
                                "description": "茶", "out_trade_no": "FORGED01", "amount": ["total": 100],
                                "pay_type": "NATIVE",
                            ],
                        ],
                        ["call": "query", "kwargs": ["out_trade_no": "FORGED01"]],
                    ])
                #expect(answers[0]["status"]?.integer == 200)
                #expect(answers[1]["error"] != nil, "\(fault)")
            }
        }
    }

    @Test(arguments: ["public_key", "certificates"])
    func `its client combines orders and uploads pictures`(_ mode: String) async throws {
        let picture = FileManager.default.temporaryDirectory.appending(path: "peer-\(UUID().uuidString).jpg")
        try Data([0xFF, 0xD8, 0x0D, 0x0A, 0x2D, 0x2D, 0x0D, 0x0A] + Array(repeating: 9, count: 300)).write(to: picture)
        defer { try? FileManager.default.removeItem(at: picture) }
        try await Self.with("service_provider") { world in
            let parts: JSON = .array(
                ["CPEER01-1", "CPEER01-2"].map {
                    [
                        "mchid": .string(Self.mchid), "sub_mchid": .string(Self.subMchid), "attach": "-",
                        "amount": ["total_amount": 50, "currency": "CNY"], "out_trade_no": .string($0),
                        "description": "茶",
                    ]
                })
            let closing: JSON = .array(
                ["CPEER01-1", "CPEER01-2"].map {
                    [
                        "mchid": .string(Self.mchid), "sub_mchid": .string(Self.subMchid),
                        "out_trade_no": .string($0),
                    ]
                })
            let answers = try await world.client(
                mode, partner: true,
                [
                    [
                        "call": "combine_pay",
                        "kwargs": ["combine_out_trade_no": "CPEER01", "sub_orders": parts, "pay_type": "NATIVE"],
                    ],
                    ["call": "combine_query", "kwargs": ["combine_out_trade_no": "CPEER01"]],
                    ["call": "combine_close", "kwargs": ["combine_out_trade_no": "CPEER01", "sub_orders": closing]],
                    ["call": "image_upload", "kwargs": ["filepath": .string(picture.path), "filename": "a.jpg"]],
                ])
            #expect(try Self.body(answers[0])["code_url"] != nil)
            #expect(try Self.body(answers[1])["sub_orders"]?.array?.count == 2)
            #expect(answers[2]["status"]?.integer == 204, "\(answers[2].text)")
            #expect(try Self.body(answers[3])["media_id"] != nil)
        }
    }

    @Test(arguments: ["public_key", "certificates"])
    func `its client shares profit for a service provider, with names sealed`(_ mode: String) async throws {
        try await Self.with("service_provider") { world in
            let order: JSON = [
                [
                    "call": "pay",
                    "kwargs": [
                        "description": "茶", "out_trade_no": "SHARE001", "amount": ["total": 10000],
                        "sub_mchid": .string(Self.subMchid), "settle_info": ["profit_sharing": true],
                        "pay_type": "NATIVE",
                    ],
                ]
            ]
            try #require(try await world.client(mode, partner: true, order)[0]["status"]?.integer == 200)
            try await world.control(
                "PUT", "/clock", ["merchant": .string(Self.mchid), "now": "2026-10-05T12:00:00+08:00"])
            let paid = try await world.control(
                "POST", "/pay",
                [
                    "mchid": .string(Self.mchid), "sub_mchid": .string(Self.subMchid), "out_trade_no": "SHARE001",
                ])
            let transaction = try #require(paid["transaction_id"])
            try await world.control(
                "PUT", "/clock", ["merchant": .string(Self.mchid), "now": "2026-10-05T12:02:00+08:00"])
            let sub = JSON.string(Self.subMchid)
            let first = try await world.client(
                mode, partner: true,
                [
                    [
                        "call": "profitsharing_add_receiver",
                        "kwargs": [
                            "account_type": "MERCHANT_ID", "account": .string(Self.mchid), "name": "平台公司",
                            "relation_type": "SERVICE_PROVIDER", "sub_mchid": sub,
                        ],
                    ],
                    [
                        "call": "profitsharing_order",
                        "kwargs": [
                            "transaction_id": transaction, "out_order_no": "S1", "unfreeze_unsplit": false,
                            "sub_mchid": sub,
                            "receivers": [
                                [
                                    "type": "MERCHANT_ID", "account": .string(Self.mchid), "amount": 1000,
                                    "description": "佣金", "name": "平台公司",
                                ]
                            ],
                        ],
                    ],
                    ["call": "profitsharing_amount_query", "kwargs": ["transaction_id": transaction]],
                    ["call": "profitsharing_config_query", "kwargs": ["sub_mchid": sub]],
                ])
            #expect(try Self.body(first[0])["account"]?.string == Self.mchid)
            #expect(try Self.body(first[1])["state"]?.string == "PROCESSING")
            #expect(try Self.body(first[2])["unsplit_amount"]?.integer == 10_000 - 60 - 1000)
            #expect(try Self.body(first[3])["max_ratio"]?.integer == 3000)
            try await world.control(
                "PUT", "/clock", ["merchant": .string(Self.mchid), "now": "2026-10-05T12:03:00+08:00"])
            let second = try await world.client(
                mode, partner: true,
                [
                    [
                        "call": "profitsharing_order_query",
                        "kwargs": ["transaction_id": transaction, "out_order_no": "S1", "sub_mchid": sub],
                    ],
                    [
                        "call": "profitsharing_return",
                        "kwargs": [
                            "out_return_no": "SR1", "return_mchid": .string(Self.mchid), "amount": 300,
                            "description": "退货", "out_order_no": "S1", "sub_mchid": sub,
                        ],
                    ],
                    [
                        "call": "profitsharing_return_query",
                        "kwargs": ["out_order_no": "S1", "out_return_no": "SR1", "sub_mchid": sub],
                    ],
                    [
                        "call": "profitsharing_unfreeze",
                        "kwargs": [
                            "transaction_id": transaction, "out_order_no": "S2", "description": "完结",
                            "sub_mchid": sub,
                        ],
                    ],
                    ["call": "profitsharing_amount_query", "kwargs": ["transaction_id": transaction]],
                    ["request": ["GET", "/v3/ecommerce/fund/balance/1900001121"]],
                ])
            #expect(try Self.body(second[0])["receivers"]?.array?.first?["result"]?.string == "SUCCESS")
            #expect(try Self.body(second[1])["result"]?.string == "SUCCESS")
            #expect(try Self.body(second[2])["amount"]?.integer == 300)
            #expect(try Self.body(second[3])["order_id"] != nil)
            #expect(try Self.body(second[4])["unsplit_amount"]?.integer == 0)
            // An ordinary service provider may not call an e-commerce platform's interfaces.
            #expect(second[5]["body"]?["code"]?.string == "NO_AUTH")
        }
    }

    @Test(arguments: ["public_key", "certificates"])
    func `its client applies for a sub-merchant and changes its account with sealed fields`(_ mode: String) async throws
    {
        try await Self.with("ecommerce") { world in
            let steps: JSON = [
                [
                    "request": ["POST", "/v3/ecommerce/applyments/"],
                    "seal": [
                        "contact_info.contact_name", "contact_info.mobile_phone", "account_info.account_name",
                        "account_info.account_number",
                    ],
                    "data": [
                        "out_request_no": "APPLY-1", "organization_type": "2", "merchant_shortname": "茶铺",
                        "business_license_info": [
                            "merchant_name": "茶铺有限公司", "business_license_number": "91310000MA1FL0000X",
                        ],
                        "contact_info": ["contact_type": "65", "contact_name": "张三", "mobile_phone": "13800138000"],
                        "account_info": [
                            "bank_account_type": "74", "account_bank": "工商银行", "account_name": "茶铺有限公司",
                            "account_number": "6222021234567890123",
                        ],
                        "sales_scene_info": ["store_name": "茶铺"],
                    ],
                ],
                ["request": ["GET", "/v3/ecommerce/applyments/out-request-no/APPLY-1"]],
                [
                    "call": "applyment_settlement_modify",
                    "kwargs": [
                        "sub_mchid": .string(Self.subMchid), "account_type": "ACCOUNT_TYPE_BUSINESS",
                        "account_bank": "招商银行", "bank_address_code": "310000", "account_number": "6225880123456789",
                    ],
                ],
                ["call": "applyment_settlement_query", "kwargs": ["sub_mchid": .string(Self.subMchid)]],
            ]
            let answers = try await world.client(mode, partner: true, steps)
            #expect(try Self.body(answers[0])["applyment_id"]?.integer != nil)
            #expect(try Self.body(answers[1])["applyment_state"]?.string == "CHECKING")
            #expect(try Self.body(answers[2])["application_no"] != nil)
            #expect(try Self.body(answers[3])["account_number"]?.string?.hasSuffix("0123") == true)
            try await world.control(
                "POST", "/applyments",
                ["merchant": .string(Self.mchid), "out_request_no": "APPLY-1", "state": "ACCOUNT_NEED_VERIFY"])
            // What is sealed for the merchant opens with its key in the library's hands.
            let opened = try await world.client(
                mode, partner: true,
                [
                    ["request": ["GET", "/v3/ecommerce/applyments/out-request-no/APPLY-1"]],
                    ["decrypt": "$0.account_validation.account_no"],
                ])
            #expect(try Self.body(opened[1])["text"]?.string == "6222021234567890123")
        }
    }

    @Test(arguments: ["public_key", "certificates"])
    func `its client applies for a merchant of a service provider`(_ mode: String) async throws {
        try await Self.with("service_provider") { world in
            let form: JSON = [
                "business_code": "CODE-1",
                "contact_info": [
                    "contact_name": "张三", "contact_id_number": "110101199003070011", "mobile_phone": "13800138000",
                    "contact_email": "a@example.com",
                ],
                "subject_info": [
                    "subject_type": "SUBJECT_TYPE_ENTERPRISE",
                    "identity_info": [
                        "id_doc_type": "IDENTIFICATION_TYPE_IDCARD",
                        "id_card_info": ["id_card_name": "张三", "id_card_number": "110101199003070011"],
                    ],
                ],
                "business_info": ["merchant_shortname": "茶铺", "service_phone": "02100000000"],
                "settlement_info": ["settlement_id": "719", "qualification_type": "餐饮"],
                "bank_account_info": [
                    "bank_account_type": "BANK_ACCOUNT_TYPE_CORPORATE", "account_name": "茶铺有限公司",
                    "account_bank": "工商银行", "bank_address_code": "310000", "account_number": "6222021234567890123",
                ],
            ]
            let first = try await world.client(
                mode, partner: true,
                [
                    ["call": "applyment_submit", "kwargs": form],
                    ["call": "applyment_query", "kwargs": ["business_code": "CODE-1"]],
                ])
            let id = try #require(try Self.body(first[0])["applyment_id"], "\(first[0].text)")
            #expect(try Self.body(first[1])["applyment_state"]?.string == "APPLYMENT_STATE_AUDITING")
            for state in ["AUDITING", "NEED_SIGN", "FINISH"] {
                try await world.control(
                    "POST", "/applyments",
                    ["merchant": .string(Self.mchid), "out_request_no": "CODE-1", "state": .string(state)])
            }
            let second = try await world.client(
                mode, partner: true, [["call": "applyment_query", "kwargs": ["applyment_id": id]]])
            let done = try Self.body(second[0])
            #expect(done["applyment_state"]?.string == "APPLYMENT_STATE_FINISHED")
            let sub = try #require(done["sub_mchid"])
            let settled = try await world.client(
                mode, partner: true, [["call": "applyment_settlement_query", "kwargs": ["sub_mchid": sub]]])
            #expect(try Self.body(settled[0])["account_number"]?.string?.hasSuffix("0123") == true)
        }
    }

    @Test(arguments: ["public_key", "certificates"])
    func `its signatures carry an e-commerce platform through splitting, refunds and withdrawals`(
        _ mode: String
    ) async throws {
        try await Self.with("ecommerce") { world in
            let sub = JSON.string(Self.subMchid)
            func clock(_ time: String) async throws {
                try await world.control(
                    "PUT", "/clock", ["merchant": .string(Self.mchid), "now": .string("2026-10-05T\(time)+08:00")])
            }
            try await clock("12:00:00")
            let order: JSON = [
                [
                    "call": "pay",
                    "kwargs": [
                        "description": "茶", "out_trade_no": "ECOMM001", "amount": ["total": 10000], "sub_mchid": sub,
                        "settle_info": ["profit_sharing": true], "pay_type": "NATIVE",
                    ],
                ]
            ]
            try #require(try await world.client(mode, partner: true, order)[0]["status"]?.integer == 200)
            let paid = try await world.control(
                "POST", "/pay", ["mchid": .string(Self.mchid), "sub_mchid": sub, "out_trade_no": "ECOMM001"])
            let transaction = try #require(paid["transaction_id"])
            try await clock("12:02:00")
            let receiver: JSON = [
                "type": "MERCHANT_ID", "receiver_account": .string(Self.mchid), "amount": 1000, "description": "佣金",
            ]
            let split: JSON = [
                "appid": .string(Self.appid), "sub_mchid": sub, "transaction_id": transaction, "out_order_no": "S1",
                "receivers": [receiver], "finish": true,
            ]
            let add: JSON = [
                "appid": .string(Self.appid), "type": "MERCHANT_ID", "account": .string(Self.mchid), "name": "平台",
                "relation_type": "PLATFORM",
            ]
            let first = try await world.client(
                mode, partner: true,
                [
                    ["request": ["POST", "/v3/ecommerce/profitsharing/receivers/add"], "data": add],
                    ["request": ["POST", "/v3/ecommerce/profitsharing/orders"], "data": split],
                    ["request": ["POST", "/v3/profitsharing/orders"], "data": split],
                ])
            #expect(try Self.body(first[0])["account"]?.string == Self.mchid)
            #expect(try Self.body(first[1])["status"]?.string == "PROCESSING")
            #expect(first[2]["body"]?["code"]?.string == "NO_AUTH")
            try await clock("12:03:00")
            let query = "/v3/ecommerce/profitsharing/orders?sub_mchid=\(Self.subMchid)"
            let refund: JSON = [
                "sub_mchid": sub, "sp_appid": .string(Self.appid), "transaction_id": transaction, "out_refund_no": "R1",
                "amount": ["refund": 500, "total": 10000, "currency": "CNY"],
            ]
            let withdrawal: JSON = ["sub_mchid": sub, "out_request_no": "W1", "amount": 8000]
            let second = try await world.client(
                mode, partner: true,
                [
                    [
                        "request": [
                            "GET", .string("\(query)&transaction_id=\(transaction.string ?? "")&out_order_no=S1"),
                        ]
                    ],
                    ["request": ["POST", "/v3/ecommerce/refunds/apply"], "data": refund],
                    ["request": ["POST", "/v3/ecommerce/fund/withdraw"], "data": withdrawal],
                    ["request": ["GET", "/v3/ecommerce/fund/balance/1900001121"]],
                ])
            #expect(try Self.body(second[0])["receivers"]?.array?.first?["result"]?.string == "SUCCESS")
            #expect(try Self.body(second[1])["refund_id"] != nil)
            #expect(try Self.body(second[2])["withdraw_id"] != nil)
            // 10000 less the fee of 60, the split of 1000, the refund of 500 less 3, and what is withdrawn.
            #expect(try Self.body(second[3])["available_amount"]?.integer == 10_000 - 60 - 1000 - 497 - 8000)
            try await clock("12:05:00")
            try await world.control(
                "POST", "/withdrawals",
                ["merchant": .string(Self.mchid), "sub_mchid": sub, "out_request_no": "W1", "state": "REFUND"])
            let third = try await world.client(
                mode, partner: true,
                [
                    ["request": ["GET", "/v3/ecommerce/fund/withdraw/out-request-no/W1?sub_mchid=1900001121"]],
                    ["request": ["GET", "/v3/ecommerce/refunds/out-refund-no/R1?sub_mchid=1900001121"]],
                ])
            #expect(try Self.body(third[0])["status"]?.string == "REFUND")
            #expect(try Self.body(third[1])["status"]?.string == "SUCCESS")
        }
    }

    @Test(arguments: ["public_key", "certificates"])
    func `its client asks for bills in two steps, and their hash is over the plain bytes`(_ mode: String) async throws {
        try await Self.with("direct") { world in
            let order: JSON = [
                [
                    "call": "pay",
                    "kwargs": [
                        "description": "茶", "out_trade_no": "BILL0001", "amount": ["total": 100],
                        "pay_type": "NATIVE",
                    ],
                ]
            ]
            try await world.control(
                "PUT", "/clock", ["merchant": .string(Self.mchid), "now": "2026-10-05T12:00:00+08:00"])
            try #require(try await world.client(mode, partner: false, order)[0]["status"]?.integer == 200)
            try await world.control("POST", "/pay", ["mchid": .string(Self.mchid), "out_trade_no": "BILL0001"])
            try await world.control(
                "PUT", "/clock", ["merchant": .string(Self.mchid), "now": "2026-10-06T10:00:00+08:00"])
            let answers = try await world.client(
                mode, partner: false,
                [
                    ["call": "trade_bill", "kwargs": ["bill_date": "2026-10-05"]],
                    ["download": "$0.download_url"],
                    ["call": "fundflow_bill", "kwargs": ["bill_date": "2026-10-05"]],
                    ["download": "$2.download_url"], ["call": "trade_bill", "kwargs": ["bill_date": "2026-10-04"]],
                ])
            for index in [0, 2] {
                let hash = try Self.body(answers[index])["hash_value"]?.string
                #expect(try Self.body(answers[index + 1])["sha1"]?.string == hash)
            }
            #expect(try Self.body(answers[1])["text"]?.string?.contains("`BILL0001") == true)
            #expect(answers[4]["body"]?["code"]?.string == "NO_STATEMENT_EXIST")
        }
    }

    @Test(arguments: [true, false])
    func `its judge accepts our callbacks and refuses every change to them`(_ byPublicKey: Bool) async throws {
        let signedBy: JSON = byPublicKey ? "public_key" : "certificate"
        try await Self.with("direct", [.init("callbacks_signed_by", signedBy)]) { world in
            let order: JSON = [
                [
                    "call": "pay",
                    "kwargs": [
                        "description": "茶", "out_trade_no": "JUDGE001", "amount": ["total": 100],
                        "pay_type": "NATIVE",
                    ],
                ]
            ]
            try #require(try await world.client("public_key", partner: false, order)[0]["status"]?.integer == 200)
            try await world.control("POST", "/pay", ["mchid": .string(Self.mchid), "out_trade_no": "JUDGE001"])
            let request = try #require(world.inbox.received.withLock { $0.first })
            let headers = request.headers.map { JSON.Member($0.name, .string($0.value)) }
            let body = String(decoding: request.body, as: UTF8.self)
            func changed(_ name: String, _ value: String) -> JSON {
                .object(headers.map { $0.name == name ? JSON.Member(name, .string(value)) : $0 })
            }
            let verdicts = try await world.verdicts([
                ["headers": .object(headers), "body": .string(body)],
                ["headers": .object(headers), "body": .string(body + " ")],
                ["headers": changed("wechatpay-nonce", "x"), "body": .string(body)],
                ["headers": changed("wechatpay-serial", "PUB_KEY_ID_1"), "body": .string(body)],
            ])
            #expect(verdicts[0]["out_trade_no"]?.string == "JUDGE001")
            #expect(verdicts[0]["trade_state"]?.string == "SUCCESS")
            for verdict in verdicts.dropFirst() { #expect(verdict == .null || verdict["error"] != nil) }
            // Ours says the same of the same.
            let link = WeChatPayLink(
                baseURL: world.base, mchid: Self.mchid, appid: Self.appid, merchantSerial: Self.serial,
                merchantPrivateKeyPEM: try Self.key("wx_merchant.key.pem"), apiV3Key: Self.apiV3Key,
                platformKeys: world.simulator.identity.platformKeys)
            _ = try WeChatPayCallback.verify(
                headers: request.headers, body: request.body, link: link, now: SimulatorClock.realNow())
            let content = try WeChatPayCallback.content(of: request.body, apiV3Key: Self.apiV3Key)
            #expect(content.resource == verdicts[0])
        }
    }
}
