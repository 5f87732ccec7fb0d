import Foundation
import Testing

@testable import ShangMi

@Suite struct SM2KeyTests {
    @Test func `a private number and its point are read from hexadecimal digits`() throws {
        for vector in Vectors.cases("sm2_signatures") {
            guard let number = vector["private_key"] else { continue }
            let key = try SM2PrivateKey(hexadecimal: number)
            #expect(key.publicKey == (try SM2PublicKey(hexadecimal: try vector.text("public_key_uncompressed"))))
            if let file = vector["key_file"] {
                #expect(try SM2PrivateKey(pem: try Vectors.key(file)).publicKey == key.publicKey)
            }
        }
    }

    @Test func `a fresh key comes back from the PEM it was written to`() throws {
        let key = try SM2PrivateKey()
        #expect(try key.pem.hasPrefix("-----BEGIN PRIVATE KEY-----\n"))
        #expect(try SM2PrivateKey(pem: key.pem).publicKey == key.publicKey)
        #expect(try key.publicKey.pem.hasPrefix("-----BEGIN PUBLIC KEY-----\n"))
        #expect(try SM2PublicKey(pem: key.publicKey.pem) == key.publicKey)
        #expect(try SM2PrivateKey().publicKey != key.publicKey)
    }

    @Test func `a key in SEC1 is read`() throws {
        // The inner part of PKCS#8 with the curve's name put in is SEC1: openssl ec -in bank_sm2.key.pem.
        let sec1 = """
            -----BEGIN EC PRIVATE KEY-----
            MHcCAQEEIPkvE3D3wpN6Fz6UB37x2PzOuHwt3xhFiP4D6mof3LKRoAoGCCqBHM9V
            AYItoUQDQgAETg6CkSOmqoLzhe5Dmwy4vzGHxPuqEyLG2tjxEdfupw9vpGW1X72t
            9OTSnOAPKB+WuzP90AagQDM8KLjce9HafQ==
            -----END EC PRIVATE KEY-----
            """
        let key = try SM2PrivateKey(pem: try Vectors.key("keys/bank_sm2.key.pem"))
        #expect(try SM2PrivateKey(pem: sec1).publicKey == key.publicKey)
    }

    @Test(arguments: [
        "", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", "not a key",
    ])
    func `text that is no key is refused`(text: String) {
        #expect(throws: ShangMiError.invalidKey) { try SM2PrivateKey(pem: text) }
        #expect(throws: ShangMiError.invalidKey) { try SM2PublicKey(pem: text) }
        #expect(throws: ShangMiError.invalidKey) { try SM2PrivateKey(hexadecimal: text) }
        #expect(throws: ShangMiError.invalidKey) { try SM2PublicKey(hexadecimal: text) }
    }

    @Test func `a key of RSA's is refused`() throws {
        let rsa = try Vectors.key("keys/bank_rsa.key.pem")
        #expect(throws: ShangMiError.invalidKey) { try SM2PrivateKey(pem: rsa) }
        let rsaPublic = try Vectors.key("keys/bank_rsa.pub.pem")
        #expect(throws: ShangMiError.invalidKey) { try SM2PublicKey(pem: rsaPublic) }
    }

    @Test func `a number that is no private key, and a point beside the curve, are refused`() {
        let n = "FFFFFFFEFFFFFFFFFFFFFFFFFFFFFFFF7203DF6B21C6052B53BBF40939D54123"
        let last = "FFFFFFFEFFFFFFFFFFFFFFFFFFFFFFFF7203DF6B21C6052B53BBF40939D54121"
        let beyond = "FFFFFFFEFFFFFFFFFFFFFFFFFFFFFFFF7203DF6B21C6052B53BBF40939D54122"
        for digits in [String(repeating: "0", count: 64), n, beyond, String(repeating: "F", count: 64), "01"] {
            #expect(throws: ShangMiError.invalidKey) { try SM2PrivateKey(hexadecimal: digits) }
        }
        #expect(throws: Never.self) { try SM2PrivateKey(hexadecimal: last) }
        #expect(throws: ShangMiError.invalidKey) { try SM2PublicKey(hexadecimal: String(repeating: "1", count: 128)) }
    }
}
