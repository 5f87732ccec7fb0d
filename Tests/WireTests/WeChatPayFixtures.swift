import CustodyDomain
import CustodyWire
import Foundation
import Testing

/// The vectors and sample files made by other people's SDKs.
enum WeChatPayFixtures {
    private static let folder = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .appending(path: "Fixtures")

    static func bytes(_ path: String) throws -> [UInt8] { Array(try Data(contentsOf: folder.appending(path: path))) }

    static func text(_ path: String) throws -> String { String(decoding: try bytes(path), as: UTF8.self) }

    static func vectors() throws -> JSON { try JSON(parsing: bytes("vectors/wechat.json")) }

    /// The clock that the vectors were made at.
    static func frozenClock(_ vectors: JSON) throws -> Instant {
        Instant(seconds: try #require(vectors["frozen_clock"]?.integer))
    }

    static func link(_ vectors: JSON) throws -> WeChatPayLink {
        WeChatPayLink(
            baseURL: "https://api.mch.weixin.qq.com", mchid: try #require(vectors["mchid"]?.string),
            appid: "wx8888888888888888", merchantSerial: try #require(vectors["merchant_serial_no"]?.string),
            merchantPrivateKeyPEM: try text("vectors/keys/wx_merchant.key.pem"),
            apiV3Key: try #require(vectors["apiv3_key"]?.string),
            platformKeys: [
                .init(
                    serial: try #require(vectors["platform_serial_no"]?.string),
                    pem: try text("vectors/keys/wx_platform.cert.pem")),
                .init(
                    serial: try #require(vectors["public_key_id"]?.string),
                    pem: try text("vectors/keys/wx_pubkey.pub.pem")),
            ])
    }

    static func headers(_ vector: JSON) throws -> [(name: String, value: String)] {
        try #require(vector["headers"]?.members).map { ($0.name, $0.value.string ?? "") }
    }
}
