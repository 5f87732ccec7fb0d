import CustodyDomain
import CustodySimulators
import CustodyWire
import Testing

@Suite struct `The simulated Alipay opens sub-merchants` {
    private typealias Bench = AlipaySimulatorBench

    @Test func `quickly, once the merchant signed at the page it was sent`() async throws {
        try await Bench.run { bench in
            try await bench.register([.init("message_url", .string(bench.receiver))])
            let quick = try await bench.call(
                "ant.merchant.expand.indirect.zft.quickcreate",
                Bench.application("M1", [.init("merchant_type", .null), .init("cert_type", .null)]))
            #expect(quick.node["sign_short_chain_url"]?.string?.hasPrefix("https://u.alipay.cn/") == true)
            #expect(quick.node["sign_qr_code_url"] != nil)
            let order = { () in
                try await bench.call("ant.merchant.expand.indirect.zftorder.query", ["external_id": "M1"])
                    .node["orders"]?.array?.last
            }
            #expect(try await order()?["sub_confirm"]?.string == "CREATE")
            try await bench.setClock("2026-10-05T11:01:00+08:00")
            let passed = try await order()
            #expect(passed?["status"]?.string == "031" && passed?["fk_audit"]?.string == "PASS")
            #expect(passed?["sub_confirm"]?.string == "NOT_CONFIRM" && passed?["smid"] == nil)
            let signature: JSON = ["merchant": .string(Bench.appID), "external_id": "M1"]
            try await bench.control("POST", "/control/signatures", signature)
            #expect(try await order()?["status"]?.string == "99")
            #expect(try await order()?["smid"]?.string?.hasPrefix("2088") == true)
            #expect(try bench.fields().map { $0["msg_method"] } == ["ant.merchant.expand.indirect.zft.passed"])
            try await bench.control("POST", "/control/signatures", signature, status: 404)
        }
    }

    @Test func `with a consultation before, changes that are reviewed, and an upgrade`() async throws {
        try await Bench.run { bench in
            try await bench.control(
                "POST", "/control/rejections",
                ["merchant": .string(Bench.appID), "name_contains": "冒名", "reason": "证件与名称不符"])
            let consult = { (name: JSON) in
                try await bench.call(
                    "ant.merchant.expand.indirect.zft.consult", Bench.application("M1", [.init("name", name)])
                ).node["risk_audit"]?.string
            }
            #expect(try await consult("测试商行") == "PASS")
            #expect(try await consult("冒名商行") == "REJECT")
            let known = try await bench.call(
                "ant.merchant.expand.indirect.zftorder.query", ["external_id": "M1"])
            #expect(known.subCode == "ORDER_NOT_EXIST")
            let smid = try await bench.open("M1")
            let modify = { (name: String) in
                try await bench.call(
                    "ant.merchant.expand.indirect.zft.modify", ["external_id": "M1", "name": .string(name)])
            }
            #expect(try await modify("冒名商行").node["order_id"] != nil)
            #expect(try await modify("新名商行").subCode == "ORDER_IN_PROCESS")
            try await bench.setClock("2026-10-05T12:02:00+08:00")
            #expect(try await modify("新名商行").code == "10000")
            try await bench.setClock("2026-10-05T13:03:00+08:00")
            let orders =
                try await bench.call(
                    "ant.merchant.expand.indirect.zftorder.query", ["external_id": "M1"]
                ).node["orders"]?.array ?? []
            #expect(
                orders.compactMap { $0["apply_type"]?.string }
                    == ["ZHIFUTONG_CREATE", "ZHIFUTONG_MODIFY", "ZHIFUTONG_MODIFY"])
            #expect(orders.compactMap { $0["status"]?.string } == ["99", "-1", "99"])
            #expect(orders.last?["smid"]?.string == smid)
            // Opened with a certificate, there is nothing to upgrade.
            let upgrade: JSON = [
                "smid": .string(smid), "additional_cert_type": "201", "additional_cert_no": "91310000MA1K000000",
            ]
            #expect(
                try await bench.call("ant.merchant.expand.indirect.zft.upgrade", upgrade).subCode
                    == "INVALID_PARAMETER")
            #expect(
                try await bench.call("ant.merchant.expand.indirect.zft.upgrade", ["smid": "2088"]).subCode
                    == "MERCHANT_NOT_EXIST")
        }
    }

    @Test func `with pictures that were handed in, and no others`() async throws {
        try await Bench.run { bench in
            let image = try #require(AlipayImageUpload(fileName: "licence.png", content: [0x89, 0x50, 0x0D, 0x0A]))
            let request = AlipayRequest(
                uploading: image, appID: Bench.appID, now: SimulatorClock.realNow())
            let upload = { (body: [UInt8]) in
                let signed = try request.signed(by: bench.signer)
                let answer = try await bench.send(
                    "POST", "\(bench.base)/gateway.do?\(signed.query)", body,
                    headers: [("content-type", "multipart/form-data; boundary=b1")])
                return try AlipayResponse(
                    verifying: answer.body, method: AlipayImageUpload.method, keys: bench.keys)
            }
            let number = try #require(try await upload(image.body(boundary: "b1")).node["image_id"])
            // The type is signed, so another one is a forgery; without the picture there is nothing to keep.
            let other = try #require(AlipayImageUpload(fileName: "licence.gif", content: image.content))
            #expect(try await upload(other.body(boundary: "b1")).subCode == "isv.invalid-signature")
            let bare = Array(
                "--b1\r\nContent-Disposition: form-data; name=\"image_type\"\r\n\r\npng\r\n--b1--\r\n".utf8)
            #expect(try await upload(bare).subCode == "isv.missing-parameter")
            let apply = { (image: JSON) in
                try await bench.call(
                    "ant.merchant.expand.indirect.zft.create",
                    Bench.application("M1", [.init("cert_image", image), .init("out_door_images", [image])]))
            }
            let stranger = try await apply("2026100500707000000000009999.png")
            #expect(stranger.subCode == "INVALID_PARAMETER", "\(stranger)")
            let own = try await apply(number)
            #expect(own.code == "10000", "\(own)")
        }
    }

    @Test func `whose card is compared, and released once no money waits`() async throws {
        try await Bench.run { bench in
            let smid = try await bench.open("M1")
            let detect = { (number: String, holder: String) in
                try await bench.call(
                    "ant.merchant.expand.indirect.zftsettlecard.detect",
                    [
                        "smid": .string(smid), "account_no": .string(number), "account_holder_name": .string(holder),
                    ]
                ).node
            }
            #expect(try await detect("6222000000001234", "测试商行")["consistent"]?.string == "true")
            #expect(try await detect("6222000000001235", "测试商行")["inconsistency_reason"]?.string == "卡号不一致")
            #expect(try await detect("6222000000001234", "别人")["consistent"]?.string == "false")
            let order = try await bench.call(
                "ant.merchant.expand.indirect.zftorder.query", ["external_id": "M1"]
            ).node["orders"]?.array?.last
            let unbind: JSON = ["smid": .string(smid), "card_alias_no": order?["card_alias_no"] ?? .null]
            _ = try await bench.paid("P1", fen: 100, to: smid, period: nil)
            try await bench.setClock("2026-10-05T12:00:00+08:00")
            #expect(
                try await bench.call("ant.merchant.expand.zft.settlement.unbind", unbind).subCode
                    == "MERCHANT_HAS_UNSETTLED_FUND")
            try await bench.setClock("2026-10-06T02:00:01+08:00")
            #expect(try await bench.call("ant.merchant.expand.zft.settlement.unbind", unbind).code == "10000")
            #expect(
                try await bench.call("ant.merchant.expand.zft.settlement.unbind", unbind).subCode
                    == "SETTLEMENT_ACCOUNT_NOT_EXIST")
            let placed = try await bench.call(
                "alipay.trade.precreate",
                [
                    "out_trade_no": "P2", "total_amount": "1.00", "subject": "茶",
                    "sub_merchant": ["merchant_id": .string(smid)],
                    "settle_info": ["settle_detail_infos": [["trans_in_type": "defaultSettle", "amount": "1.00"]]],
                ])
            #expect(placed.subCode == "ACQ.TRADE_SETTLE_ERROR")
        }
    }
}
