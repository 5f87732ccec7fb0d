import AsyncHTTPClient
import CustodyConnectors
import CustodyDomain
import CustodySimulators
import CustodyWire
import Foundation
import Testing

/// Our CWP/1 connector against a small bank made of gmssl and cryptography, which knows nothing of our code.
@Suite struct CWP1PeerTests {
    private static let keys = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .appending(path: "Fixtures/vectors/keys")

    private static func pem(_ name: String) throws -> String {
        try String(contentsOf: keys.appending(path: "\(name).pem"), encoding: .utf8)
    }

    private func withBank(
        _ algorithm: CWP1Algorithm, partner: String = "partner", _ body: (CWP1Custodian) async throws -> Void
    ) async throws {
        let kind = algorithm == .rsaSHA256 ? "rsa" : "sm2"
        let process = try Peer(environment: "crypto").start(
            "cwp1_bank",
            [
                algorithm.rawValue, CWP1PeerTests.keys.appending(path: "bank_\(kind).key.pem").path,
                CWP1PeerTests.keys.appending(path: "partner_\(kind).pub.pem").path,
            ])
        let line = try #require(await process.line())
        let port = try #require(try JSON(parsing: Array(line.utf8))["port"]?.integer)
        let link = CWP1Link(
            baseURL: "http://127.0.0.1:\(port)", partnerID: "P0000001", marketID: "M00000000001",
            partnerSerial: "P1", partnerPrivateKeyPEM: try CWP1PeerTests.pem("\(partner)_\(kind).key"),
            bankKeys: [.init(serial: "B1", pem: try CWP1PeerTests.pem("bank_\(kind).pub"))])
        try await body(
            try CWP1Custodian(link: link, outbound: Outbound(client: .shared)) { SimulatorClock.realNow() })
        try process.input.close()
        #expect(await process.status() == 0)
    }

    @Test(arguments: CWP1Algorithm.allCases)
    func `a strange bank verifies, decrypts and answers us, and a spoiled answer is not believed`(
        algorithm: CWP1Algorithm
    ) async throws {
        try await withBank(algorithm) { custodian in
            let balance = await custodian.queryBalance(of: "A1", serial: "Q1")
            guard case .answered(let known) = balance else {
                Issue.record("\(balance)")
                return
            }
            #expect(known.withdrawable == Fen(1234))
            let opening = SubMerchantOpening(
                number: "M1", kind: .company, name: "杭州某某商贸有限公司", certificateNumber: "91330100MA27XXXX0X",
                legalPersonName: "张三", legalPersonIDNumber: "330106199001011234", contactName: "李四",
                contactMobile: "13800138000")
            let opened = await custodian.openSubMerchant(opening, serial: "O1")
            guard case .answered(let merchant) = opened else {
                Issue.record("\(opened)")
                return
            }
            #expect(merchant.applicationNumber == "91330100MA27XXXX0X/李四")
            guard case .unknown(let doubt) = await custodian.bankDay(serial: "D1") else {
                Issue.record("a spoiled answer was believed")
                return
            }
            #expect(doubt.reason == .badSignature)
        }
    }

    @Test(arguments: CWP1Algorithm.allCases)
    func `a strange bank refuses what another key signed`(algorithm: CWP1Algorithm) async throws {
        try await withBank(algorithm, partner: "bank") { custodian in
            guard case .refused(let refusal) = await custodian.queryBalance(of: "A1", serial: "Q1") else {
                Issue.record("not refused")
                return
            }
            #expect(refusal.code == "100002")
        }
    }
}
