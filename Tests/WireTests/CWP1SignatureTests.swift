import Crypto
import CustodyDomain
import Foundation
import Testing

@testable import CustodyWire

/// Messages and fields made by another implementation (`vectors/custody.json`).
@Suite struct CWP1SignatureTests {
    let vectors: JSON
    let fixtures: URL

    init() throws {
        fixtures = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .appending(path: "Fixtures")
        vectors = try JSON(parsing: Array(Data(contentsOf: fixtures.appending(path: "vectors/custody.json"))))
    }

    private func key(_ name: String) throws -> String {
        try String(contentsOf: fixtures.appending(path: "vectors/keys/\(name).pem"), encoding: .utf8)
    }

    /// The messages, with the lines of their string to sign.
    private func messages() throws -> [(message: JSON, lines: [String], subject: CWP1Subject)] {
        let all = try #require(vectors["messages"]?.array)
        return try all.map { message in
            let lines = try #require(message["string_to_sign"]?.string).split(separator: "\n").map(String.init)
            let subject: CWP1Subject =
                lines[0] == "CWP1-RSP"
                ? .response(
                    status: try #require(Int(lines[2])), partnerID: lines[3], txnCode: lines[4], number: lines[5])
                : .request(path: lines[3], partnerID: lines[4], txnCode: lines[5], number: lines[6])
            return (message, lines, subject)
        }
    }

    @Test func `every message of the vectors has our string to sign and verifies`() throws {
        let messages = try messages()
        #expect(messages.count == 6)
        for (message, lines, subject) in messages {
            let body = Array(try #require(message["body"]?.string).utf8)
            let time = lines[lines.count - 3]
            let nonce = lines[lines.count - 2]
            let owner = try #require(message["key"]?.string)
            let algorithm = try #require(CWP1Algorithm(rawValue: message["alg"]?.string ?? ""))
            let kind = algorithm == .rsaSHA256 ? "rsa" : "sm2"
            #expect(
                try subject.stringToSign(algorithm: algorithm, time: time, nonce: nonce, body: body)
                    == message["string_to_sign"]?.string)
            let verifier = try CWP1Verifier(keys: [.init(serial: "1", pem: try key("\(owner)_\(kind).pub"))])
            let now = try #require(Instant(text: time))
            let signer = try CWP1Signer(serial: "1", privateKeyPEM: try key("\(owner)_\(kind).key"))
            var headers = try signer.headers(for: subject, body: body, at: now, nonce: nonce)
            let signature = try #require(message["signature"]?.string)
            // PKCS#1 v1.5 has no randomness: we make the very signature of the other implementation.
            #expect((headers.signature == signature) == (algorithm == .rsaSHA256))
            #expect(headers.algorithm == algorithm)
            try verifier.verify(headers, of: subject, body: body, at: now)
            headers.signature = signature
            try verifier.verify(headers, of: subject, body: body, at: now)
            try verifier.verify(headers, of: subject, body: body, at: now + .seconds(300))
            try verifier.verify(headers, of: subject, body: body, at: now - .seconds(300))
            #expect(throws: CWP1Rejection.staleTime) {
                try verifier.verify(headers, of: subject, body: body, at: now + .seconds(301))
            }
            #expect(throws: CWP1Rejection.staleTime) {
                try verifier.verify(headers, of: subject, body: body, at: now - .seconds(301))
            }
            #expect(throws: CWP1Rejection.badSignature) {
                try verifier.verify(headers, of: subject, body: body + [0x20], at: now)
            }
            for other in messages where other.subject != subject {
                #expect(throws: CWP1Rejection.badSignature) {
                    try verifier.verify(headers, of: other.subject, body: body, at: now)
                }
            }
            headers.algorithm = algorithm == .rsaSHA256 ? .sm2SM3 : .rsaSHA256
            #expect(throws: CWP1Rejection.unsupportedAlgorithm) {
                try verifier.verify(headers, of: subject, body: body, at: now)
            }
            headers.algorithm = algorithm
            headers.nonce = String(nonce.reversed())
            #expect(throws: CWP1Rejection.badSignature) {
                try verifier.verify(headers, of: subject, body: body, at: now)
            }
            headers.nonce = "short"
            #expect(throws: CWP1Rejection.badNonce) { try verifier.verify(headers, of: subject, body: body, at: now) }
            headers.serial = "2"
            #expect(throws: CWP1Rejection.unknownSerial) {
                try verifier.verify(headers, of: subject, body: body, at: now)
            }
        }
    }

    @Test func `envelopes of the vectors are read and written back byte for byte`() throws {
        for (message, _, _) in try messages() {
            let bytes = Array(try #require(message["body"]?.string).utf8)
            switch message["kind"]?.string {
            case "request": #expect(try CWP1Request(parsing: bytes).bytes == bytes)
            case "response":
                let response = try CWP1Response(parsing: bytes)
                #expect(response.bytes == bytes)
                #expect(response.returnCode.meaning == .accepted)
            default: #expect(try CWP1Notification(parsing: bytes).bytes == bytes)
            }
        }
    }

    @Test func `an envelope that is no envelope is refused`() {
        for text in ["", "{}", "[]", "<html>", #"{"head":{"version":"1.0"},"body":{}}"#, #"{"head":{},"body":1}"#] {
            #expect(throws: CWP1Rejection.malformedBody) { try CWP1Request(parsing: Array(text.utf8)) }
            #expect(throws: CWP1Rejection.malformedBody) { try CWP1Response(parsing: Array(text.utf8)) }
            #expect(throws: CWP1Rejection.malformedBody) { try CWP1Notification(parsing: Array(text.utf8)) }
        }
    }

    @Test func `a notification verifies without a connector, and only for its own link`() throws {
        let found = try #require(
            try messages().first {
                $0.message["kind"]?.string == "notify" && $0.message["alg"]?.string == "RSA-SHA256"
            })
        let body = Array(try #require(found.message["body"]?.string).utf8)
        let link = CWP1Link(
            baseURL: "http://127.0.0.1", partnerID: "P0000001", marketID: "M00000000001", partnerSerial: "1",
            partnerPrivateKeyPEM: try key("partner_rsa.key"),
            bankKeys: [
                .init(serial: "old", pem: try key("partner_rsa.pub")), .init(serial: "B", pem: try key("bank_rsa.pub")),
            ])
        let headers = [
            ("x-cust-alg", "RSA-SHA256"), ("x-cust-serial", "B"), ("X-CUST-TIME", "20261007093000000"),
            ("X-Cust-Nonce", found.lines[found.lines.count - 2]),
            ("X-Cust-Sign", try #require(found.message["signature"]?.string)),
        ]
        let now = try #require(Instant(text: "20261007093100000"))
        func verify(
            _ method: String = "POST", _ path: String = "/bank/callback/M00000000001",
            _ headers: [(String, String)]? = nil, _ link: CWP1Link
        ) throws(CWP1Rejection) -> (notifyID: String, txnCode: String) {
            try CWP1Notification.verify(
                method: method, path: path, headers: headers ?? [], body: body, link: link, now: now)
        }
        let verified = try verify("POST", "/bank/callback/M00000000001", headers, link)
        #expect(verified == ("N2026100700000000000000000000042", "WDR.NOTIFY"))
        #expect(throws: CWP1Rejection.badSignature) { try verify("POST", "/elsewhere", headers, link) }
        #expect(throws: CWP1Rejection.wrongMethod) { try verify("PUT", "/", headers, link) }
        #expect(throws: CWP1Rejection.missingHeader) { try verify("POST", "/", Array(headers.dropLast()), link) }
        var algorithm = headers
        algorithm[0].1 = "SM2-SM3"
        #expect(throws: CWP1Rejection.unsupportedAlgorithm) { try verify("POST", "/", algorithm, link) }
        var other = link
        other.marketID = "M2"
        #expect(throws: CWP1Rejection.wrongMarket) { try verify("POST", "/", headers, other) }
        other = link
        other.partnerID = "P2"
        #expect(throws: CWP1Rejection.wrongPartner) { try verify("POST", "/", headers, other) }
        other = link
        other.bankKeys.removeLast()
        #expect(throws: CWP1Rejection.unknownSerial) { try verify("POST", "/", headers, other) }
    }

    @Test func `the encrypted fields of the vectors open, and seal to the same text`() throws {
        let fields = try #require(vectors["encrypted_fields"]?.array)
        #expect(fields.count == 2)
        for field in fields {
            let algorithm = try #require(CWP1Algorithm(rawValue: field["alg"]?.string ?? ""))
            let kind = algorithm == .rsaSHA256 ? "rsa" : "sm2"
            let plaintext = try #require(field["plaintext"]?.string)
            let value = try #require(field["field_value"]?.string)
            let opened = try CWP1SessionKey(
                wrapped: try #require(field["enc_key_header"]?.string), privateKeyPEM: try key("bank_\(kind).key"))
            #expect(try opened.open(value) == plaintext)
            #expect(CWP1SessionKey.isSealed(value))
            let digits = Array(try #require(field["session_key_hex"]?.string))
            let bytes = stride(from: 0, to: digits.count, by: 2).compactMap {
                UInt8(String(digits[$0..<$0 + 2]), radix: 16)
            }
            let known = try CWP1SessionKey(bytes: bytes)
            let blob = try #require(Data(base64Encoded: String(value.split(separator: "}").last ?? "")))
            let nonce = Array(blob.prefix(algorithm == .rsaSHA256 ? 12 : 16))
            #expect(try known.seal(plaintext, nonce: nonce) == value)
            let again = try CWP1SessionKey(
                wrapped: try known.wrapped(forPublicKeyPEM: try key("bank_\(kind).pub")),
                privateKeyPEM: try key("bank_\(kind).key"))
            #expect(try again.open(try known.seal("银行")) == "银行")
            let other = algorithm == .rsaSHA256 ? "sm2" : "rsa"
            #expect(throws: (any Error).self) { try known.wrapped(forPublicKeyPEM: try key("bank_\(other).pub")) }
            #expect(throws: (any Error).self) { try opened.open(String(value.dropLast(8)) + "AAAAAAA=") }
            #expect(throws: (any Error).self) { try opened.open("6222021234567890123") }
            for algorithm in CWP1Algorithm.allCases {
                #expect(try CWP1SessionKey(algorithm).seal(plaintext) != value)
                #expect((try? CWP1SessionKey(algorithm).open(value)) != plaintext)
            }
        }
        #expect(throws: (any Error).self) { try CWP1SessionKey(bytes: [UInt8](repeating: 0, count: 24)) }
        #expect(!CWP1SessionKey.isSealed("6222021234567890123"))
    }

    @Test func `a nonce is admitted once in ten minutes`() {
        var memory = CWP1NonceMemory()
        let start = Instant(seconds: 1_000_000)
        let admitted = [("a", 0), ("a", 0), ("a", 599), ("b", 599), ("b", 1190), ("b", 3000)].map { nonce, seconds in
            memory.admit(nonce, at: start + .seconds(seconds))
        }
        #expect(admitted == [true, false, false, true, false, true])
    }

    @Test(arguments: [
        ("000000", CWP1ReturnCode.Class.accepted), ("200001", .accepted), ("200002", .duplicateDifferent),
        ("100301", .rejected), ("199999", .rejected), ("300001", .businessFailed), ("800001", .unknown),
        ("900001", .unknown), ("400000", .unknown), ("200003", .unknown), ("", .unknown), ("1003", .unknown),
        ("1a0301", .unknown), ("0000000", .unknown),
    ])
    func `a return code means what the table says, and unknown otherwise`(code: String, meaning: CWP1ReturnCode.Class) {
        #expect(CWP1ReturnCode(code).meaning == meaning)
    }

    @Test func `a link reads its own snake-case JSON`() throws {
        let link = CWP1Link(
            baseURL: "https://b", partnerID: "P", marketID: "M", partnerSerial: "S", partnerPrivateKeyPEM: "K",
            bankKeys: [.init(serial: "B", pem: "Q")])
        let data = try JSONEncoder().encode(link)
        let json = try JSON(parsing: Array(data))
        #expect(
            Set(json.members?.map(\.name) ?? []) == [
                "base_url", "partner_id", "market_id", "partner_serial", "partner_private_key_pem", "bank_keys",
            ])
        #expect(try JSONDecoder().decode(CWP1Link.self, from: data) == link)
    }
}
