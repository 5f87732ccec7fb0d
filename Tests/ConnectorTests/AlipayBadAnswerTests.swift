import AsyncHTTPClient
import CustodyConnectors
import CustodyDomain
import CustodySimulators
import CustodyWire
import Foundation
import Synchronization
import Testing

/// What our connector makes of answers that somebody else wrote between the gateway's own words.
@Suite struct AlipayBadAnswerTests {
    private static let name = "alipay_trade_query_response"

    /// Asks for a payment, and gets these bytes for an answer.
    private func asked(_ body: [UInt8]) async throws -> Reply<ChannelPayment> {
        let server = SimulatorServer { _ in .answer(status: 200, headers: [], body: body) }
        return try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await server.run() }
            defer { group.cancelAll() }
            let link = AlipayLink(
                gatewayURL: "http://127.0.0.1:\(try await server.boundPort())/gateway.do", appID: AlipayBench.appID,
                sellerID: AlipayBench.sellerID, appPrivateKeyPEM: try AlipayBench.key("alipay_app.key"),
                alipayPublicKeyPEM: try AlipayBench.key("alipay_gateway.pub"))
            let alipay = try Alipay(link: link, outbound: Outbound(client: .shared, timeout: .seconds(5))) {
                SimulatorClock.realNow()
            }
            return await alipay.queryPayment(serial: "P1")
        }
    }

    private func node(_ status: String, subject: String) -> JSON {
        [
            "code": "10000", "msg": "Success", "out_trade_no": "P1", "trade_no": "42", "trade_status": .string(status),
            "total_amount": "12.34", "send_pay_date": "2026-10-05 12:00:00", "subject": .string(subject),
        ]
    }

    @Test func `a signature that a buyer wrote into a string is text, and never the answer's`() async throws {
        let signer = try RSASigner(pem: try AlipayBench.key("alipay_gateway.key"))
        let stranger = try RSASigner(pem: try AlipayBench.key("wx_merchant.key"))
        // Really signed by the gateway, for another time: an unpaid order's answer and its signature.
        let unpaid = try AlipayResponse.body(
            node: node("WAIT_BUYER_PAY", subject: "x"), name: Self.name, signer: signer)
        let text = String(decoding: unpaid, as: UTF8.self)
        let signature = try #require(text.components(separatedBy: #""sign":""#).last?.split(separator: "\"").first)
        for fake in [
            #"},"sign":"AAAA"#, #"","sign":"\#(signature)"}"#, #"\"},"sign":"\#(signature)"#,
            #"{"alipay_trade_query_response":{"code":"10000"},"sign":"\#(signature)"}"#,
        ] {
            let paid = node("TRADE_SUCCESS", subject: fake)
            let good = try AlipayResponse.body(node: paid, name: Self.name, signer: signer)
            let known = try await asked(good).answeredValue()
            #expect(known.state == .succeeded && known.amount == Fen(1234), "\(fake)")
            // The same around a signature that is nobody's: what stands in the string saves nothing.
            let forged = try AlipayResponse.body(node: paid, name: Self.name, signer: stranger)
            #expect(try await asked(forged).unknownReason == .badSignature, "\(fake)")
            let none = #"{"\#(Self.name)":\#(paid.text)}"#
            #expect(try await asked(Array(none.utf8)).unknownReason == .badSignature, "\(fake)")
        }
        // An answer put before, behind or around the signed one.
        let paid = node("TRADE_SUCCESS", subject: "x").text
        for wrapped in [
            #"{"\#(Self.name)":\#(paid),"\#(text.dropFirst(2))"#, #"\#(text.dropLast()),"\#(Self.name)":\#(paid)}"#,
            #"{"\#(Self.name)":\#(paid),"x":\#(text),"sign":"\#(signature)"}"#,
            #"\#(text.dropLast()),"sign":"\#(signature)"}"#,
        ] {
            let reply = try await asked(Array(wrapped.utf8))
            #expect(reply.unknownReason == .badSignature || reply.unknownReason == .malformedAnswer, "\(wrapped)")
        }
    }

    @Test func `an answer of Alipay's that is none leaves the outcome unknown`() async throws {
        let signer = try RSASigner(pem: try AlipayBench.key("alipay_gateway.key"))
        let strange = try AlipayResponse.body(node: node("PERHAPS", subject: "x"), name: Self.name, signer: signer)
        let other = try AlipayResponse.body(
            node: node("TRADE_SUCCESS", subject: "x"), name: "alipay_trade_close_response", signer: signer)
        let foreign = try AlipayResponse.body(
            node: ["code": "10000", "out_trade_no": "P2", "trade_status": "TRADE_SUCCESS", "total_amount": "12.34"],
            name: Self.name, signer: signer)
        for body in [[], foreign, Array("<html>502</html>".utf8), Array("{}".utf8), Array("[]".utf8), strange, other] {
            let reply = try await asked(body)
            #expect(reply.unknownReason == .malformedAnswer, "\(String(decoding: body, as: UTF8.self))")
        }
    }
}
