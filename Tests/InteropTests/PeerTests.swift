import CustodyWire
import Foundation
import Testing

@Suite struct PeerTests {
    @Test(arguments: ["wechatpayv3", "alipay-official", "alipay-community", "crypto"])
    func `the software that we are judged by is the one that its file names`(environment: String) async throws {
        let file = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "Peers/\(environment).txt")
        let pinned = try String(contentsOf: file, encoding: .utf8).split(separator: "\n").filter { !$0.hasPrefix("#") }
            .map { $0.split(separator: "=", omittingEmptySubsequences: true).map(String.init) }
        let answer = try await Peer(environment: environment).run("versions", pinned.map { $0[0] })
        for package in pinned { #expect(answer[package[0]]?.string == package[1]) }
    }
}
