import CustodyWire
import Foundation
import ShangMi
import Testing

/// Our SM2, SM3 and SM4 against gmssl's, cryptography's and the openssl command's: theirs read by us, ours by them.
@Suite struct ShangMiPeerTests {
    static let messages: [[UInt8]] = [[1], Array("平台订单".utf8), (0..<300).map { UInt8(truncatingIfNeeded: $0) }]
    static let userIDs = ["1234567812345678", "N003261207000000", "ALICE123@YAHOO.COM"]

    private let peer = Peer(environment: "crypto")

    private func base64(_ bytes: [UInt8]) -> JSON { .string(Data(bytes).base64EncodedString()) }

    private func results(_ jobs: [JSON]) async throws -> [JSON] {
        try #require(try await peer.run("shangmi", input: JSON.array(jobs).text).array)
    }

    private func bytes(_ result: JSON) throws -> [UInt8] {
        Array(try #require(Data(base64Encoded: result.string ?? "")))
    }

    @Test func `gmssl verifies our signatures, and we verify gmssl's`() async throws {
        let key = try SM2PrivateKey()
        var ours: [JSON] = []
        var theirs: [JSON] = []
        for userID in ShangMiPeerTests.userIDs {
            for message in ShangMiPeerTests.messages {
                let signature = try key.signature(for: message, userID: userID)
                ours.append([
                    "do": "verify", "public": .string(try key.publicKey.pem), "data": base64(message),
                    "raw": base64(signature.raw), "user_id": .string(userID),
                ])
                theirs.append([
                    "do": "sign", "private": .string(try key.pem), "data": base64(message),
                    "user_id": .string(userID),
                ])
            }
        }
        #expect(try await results(ours).allSatisfy { $0.bool == true })
        for (index, result) in try await results(theirs).enumerated() {
            let signature = try #require(SM2Signature(raw: try bytes(result)))
            let message = ShangMiPeerTests.messages[index % ShangMiPeerTests.messages.count]
            let userID = ShangMiPeerTests.userIDs[index / ShangMiPeerTests.messages.count]
            #expect(key.publicKey.isValid(signature, for: message, userID: userID))
            #expect(!key.publicKey.isValid(signature, for: message, userID: userID + "1"))
        }
    }

    @Test func `gmssl decrypts what we encrypt, and we what gmssl encrypts, in both orders`() async throws {
        let key = try SM2PrivateKey()
        for (mode, layout) in [(1, SM2Layout.c1c3c2), (0, .c1c2c3)] {
            let texts = ShangMiPeerTests.messages.filter { $0.count > 1 }
            let opened = try await results(
                try texts.map { text -> JSON in
                    [
                        "do": "decrypt", "private": .string(try key.pem), "mode": JSON(mode),
                        // gmssl has no point prefix.
                        "data": base64(Array(try key.publicKey.encrypt(text, layout: layout).dropFirst())),
                    ]
                })
            #expect(try opened.map(bytes) == texts)
            let sealed = try await results(
                try texts.map { text -> JSON in
                    [
                        "do": "encrypt", "public": .string(try key.publicKey.pem), "mode": JSON(mode),
                        "data": base64(text),
                    ]
                })
            for (text, result) in zip(texts, sealed) {
                #expect(try key.decrypt(try bytes(result), layout: layout) == text)
            }
        }
    }

    @Test func `digests and block ciphers are those of gmssl and cryptography`() async throws {
        let key = SM4.randomKey()
        let iv = SM4.randomKey()
        let cipher = try SM4(key: key)
        func hex(_ bytes: [UInt8]) -> JSON {
            .string(bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined())
        }
        for message in ShangMiPeerTests.messages {
            let sealed = try cipher.encryptCBC(message, iv: iv)
            let answers = try await results(
                [["do": "sm3", "data": base64(message)]]
                    + ["sm4_gmssl", "sm4_cryptography"].flatMap { name -> [JSON] in
                        [true, false].map { encrypts in
                            [
                                "do": .string(name), "key": hex(key), "iv": hex(iv), "encrypts": .bool(encrypts),
                                "data": base64(encrypts ? message : sealed),
                            ]
                        }
                    })
            #expect(answers[0] == hex(try SM3.digest(of: message)))
            #expect(try answers[1...].map(bytes) == [sealed, message, sealed, message])
        }
    }

    // MARK: - The openssl command

    private struct Failed: Error {
        let text: String
    }

    /// Runs the command in a folder of its own.
    private func openssl(_ arguments: [String], in folder: URL) async throws -> [UInt8] {
        let process = try PeerProcess(
            URL(filePath: "/usr/bin/env"), ["--chdir=\(folder.path)", "openssl"] + arguments)
        try process.input.close()
        async let output = PeerPipe.all(of: process.output)
        async let errors = PeerPipe.all(of: process.errors)
        let status = await process.status()
        let (printed, complaints) = (await output, await errors)
        guard status == 0 else { throw Failed(text: String(decoding: complaints, as: UTF8.self)) }
        return Array(printed)
    }

    private func withFolder(_ body: (URL) async throws -> Void) async throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "sm-" + UUID().uuidString)
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        try await body(folder)
    }

    @Test func `openssl verifies and makes signatures with our keys, and we read its keys and certificates`()
        async throws
    {
        try await withFolder { folder in
            let key = try SM2PrivateKey()
            try Data(try key.pem.utf8).write(to: folder.appending(path: "key.pem"))
            try Data(try key.publicKey.pem.utf8).write(to: folder.appending(path: "public.pem"))
            for userID in ShangMiPeerTests.userIDs {
                for message in ShangMiPeerTests.messages {
                    try Data(message).write(to: folder.appending(path: "text"))
                    try Data(try key.signature(for: message, userID: userID).der)
                        .write(to: folder.appending(path: "ours"))
                    let options = ["-rawin", "-digest", "sm3", "-pkeyopt", "distid:" + userID, "-in", "text"]
                    _ = try await openssl(
                        ["pkeyutl", "-verify", "-pubin", "-inkey", "public.pem", "-sigfile", "ours"] + options,
                        in: folder)
                    _ = try await openssl(
                        ["pkeyutl", "-sign", "-inkey", "key.pem", "-out", "theirs"] + options, in: folder)
                    let theirs = Array(try Data(contentsOf: folder.appending(path: "theirs")))
                    let signature = try #require(SM2Signature(der: theirs))
                    #expect(key.publicKey.isValid(signature, for: message, userID: userID))
                }
            }
            _ = try await openssl(
                ["genpkey", "-algorithm", "SM2", "-out", "made.pem"], in: folder)
            let made = try SM2PrivateKey(
                pem: try String(contentsOf: folder.appending(path: "made.pem"), encoding: .utf8))
            _ = try await openssl(
                [
                    "req", "-x509", "-key", "made.pem", "-sm3", "-sigopt", "distid:1234567812345678", "-subj",
                    "/CN=bank", "-days", "1", "-out", "certificate.pem",
                ], in: folder)
            let certificate = try String(contentsOf: folder.appending(path: "certificate.pem"), encoding: .utf8)
            #expect(try SM2PublicKey(pem: certificate) == made.publicKey)
        }
    }

    @Test func `openssl decrypts what we encrypt, and we what openssl encrypts`() async throws {
        try await withFolder { folder in
            let key = try SM2PrivateKey()
            try Data(try key.pem.utf8).write(to: folder.appending(path: "key.pem"))
            try Data(try key.publicKey.pem.utf8).write(to: folder.appending(path: "public.pem"))
            let text = Array("6222021234567890123".utf8)
            try Data(try key.publicKey.encrypt(text, layout: .asn1)).write(to: folder.appending(path: "ours"))
            #expect(
                try await openssl(["pkeyutl", "-decrypt", "-inkey", "key.pem", "-in", "ours"], in: folder) == text)
            try Data(text).write(to: folder.appending(path: "text"))
            let theirs = try await openssl(
                ["pkeyutl", "-encrypt", "-pubin", "-inkey", "public.pem", "-in", "text"], in: folder)
            #expect(try key.decrypt(theirs, layout: .asn1) == text)
        }
    }
}
