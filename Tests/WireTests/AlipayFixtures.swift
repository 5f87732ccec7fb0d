import CustodyDomain
import CustodyWire
import Foundation

/// The files of `Tests/Fixtures` that concern Alipay.
enum AlipayFixtures {
    static let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .appending(path: "Fixtures")

    static func bytes(_ path: String) throws -> [UInt8] {
        [UInt8](try Data(contentsOf: folder.appending(path: path)))
    }

    static func text(_ path: String) throws -> String { String(decoding: try bytes(path), as: UTF8.self) }

    static func vectors() throws -> JSON { try JSON(parsing: bytes("vectors/alipay.json")) }

    static func key(_ name: String) throws -> String {
        try text("vectors/" + (vectors()["keys"]?[name]?.string ?? "missing"))
    }

    /// The real time at which the fixtures are read.
    static let now = Instant(seconds: 1_798_000_000)

    static func keys() throws -> AlipayKeys { try AlipayKeys(link: link(), now: now) }

    static func certificate(_ name: String) throws -> String { try text("certificates/alipay/\(name).pem") }

    /// A link in certificate mode.
    static func certificateLink(
        app: String = "app", alipay: String = "alipay", root: String = "root", key: String = "app_private"
    ) throws -> AlipayLink {
        AlipayLink(
            gatewayURL: "https://openapi.alipay.com/gateway.do", appID: "2021000000000001",
            sellerID: "2088000000000000", appPrivateKeyPEM: try self.key(key),
            trust: .certificates(
                AlipayCertificates(
                    appCertificatePEM: try certificate(app), alipayCertificatePEM: try certificate(alipay),
                    alipayRootCertificatePEM: try certificate(root))))
    }

    static func link(appID: String = "2021000000000001", sellerID: String = "2088000000000000") throws -> AlipayLink {
        AlipayLink(
            gatewayURL: "https://openapi.alipay.com/gateway.do", appID: appID, sellerID: sellerID,
            appPrivateKeyPEM: try key("app_private"), alipayPublicKeyPEM: try key("alipay_public"))
    }
}
