import CustodyDomain
import CustodyStore
import CustodyWire
import Foundation
import TestSupport
import Testing

/// What a day is expected to bring, by what the links have.
@Suite struct PlanTests {
    private func planned(
        _ day: FetchingDay, _ links: [(Counterparty, [UInt8])]
    ) async throws -> [String] {
        try await day.world.run { tx in
            for (counterparty, link) in links { try await tx.setLink(counterparty, configuration: link) }
            try await tx.enqueue(JobRequest(.openDay, day.date.advanced(by: 1).iso))
        }
        try await eventually("the day is open") { try await day.world.jobCount(.settle) > 0 }
        let expected = try await day.world.run { try await $0.reconciliationDay(day.date) }.expected
        #expect(expected.allSatisfy { $0.dueAt == day.date.advanced(by: 1).start + .seconds(12 * 3600) })
        return expected.map { "\($0.source.rawValue)/\($0.form)" }
    }

    @Test func `a bank of files has its five planned, a bank without files none`() async throws {
        let keys = try CWP1KeyPair()
        let pem = JSON.string(keys.privatePEM)
        let cwp1: JSON = [
            "base_url": "http://127.0.0.1:1", "partner_id": "P1", "market_id": "M1", "partner_serial": "S1",
            "partner_private_key_pem": pem, "commission_account": "A1",
            "bank_keys": [["serial": "B1", "pem": .string(keys.publicPEM)]],
        ]
        let ccb: JSON = [
            "dialect": "ccb", "base_url": "http://127.0.0.1:1", "market_id": "M1", "version": "3",
            "callback_index": "I1", "platform_private_key_pem": pem, "bank_public_key_pem": .string(keys.publicPEM),
            "commission_account": "A1",
        ]
        let channel = ["wechat_pay/fund_flow", "wechat_pay/trade"]
        let files = ["BAL", "PAY", "REF", "WDR", "WRT"].map { "bank/\($0)" }
        for (link, files) in [(cwp1, files), (ccb, [])] {
            try await FetchingDay.run { day in
                let planned = try await planned(day, [(.bank, link.bytes)])
                #expect(planned == files + channel)
            }
        }
    }

    @Test func `of links that cannot be used only what days are matched by is planned`() async throws {
        try await FetchingDay.run { day in
            let nothing = Array("{}".utf8)
            let planned = try await planned(day, [(.bank, nothing), (.weChatPay, nothing), (.alipay, nothing)])
            #expect(planned == ["alipay/trade", "bank/PAY", "wechat_pay/trade"])
            // The fetching says what is wrong, and the platform sees it.
            let shown = try await day.shown("PAY")
            #expect(shown.state == .waiting && shown.reason?.hasPrefix("link: ") == true, "\(shown)")
        }
    }

    @Test func `a platform that splits gets the bills of splits, an e-commerce platform its sub-merchants' accounts`()
        async throws
    {
        let plans: [(JSON, [String])] = [
            (["kind": "service_provider", "sub_mchid": "1900001121", "profit_sharing": true], ["profit_sharing"]),
            (["kind": "service_provider", "sub_mchid": "1900001121", "profit_sharing": false], []),
            (["kind": "ecommerce", "profit_sharing": true], ["profit_sharing", "sub_merchant_fund_flow"]),
        ]
        for (partner, more) in plans {
            try await FetchingDay.run { day in
                let planned = try await planned(day, [(.weChatPay, day.desk.link(partner: partner))])
                #expect(Set(planned) == Set((["trade", "fund_flow"] + more).map { "wechat_pay/\($0)" }))
                // The desk knows of nothing: every one of them is fetched, and empty.
                for form in ["trade", "fund_flow"] + more {
                    #expect(try await day.shown(form).state == .empty, "\(form)")
                }
            }
        }
    }
}
