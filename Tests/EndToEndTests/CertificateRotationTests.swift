import CustodyDomain
import CustodyStore
import CustodyWire
import Foundation
import TestSupport
import Testing

extension EndToEndTests {
    /// WeChat Pay's certificates on their way from a worker to the process that verifies callbacks.
    @Suite struct CertificateRotationTests {
        @Test
        func `a callback under a new certificate is refused, and taken when WeChat Pay repeats it`() async throws {
            try await SimulatedMarket.run(callbacksSignedBy: "certificate") { market in
                let (port, probe) = (try await Loopback.freePort(), try await Loopback.freePort())
                let serve = try CustodyProcess(
                    [
                        "serve", "--listen", "127.0.0.1:\(port)", "--admin-listen", "127.0.0.1:0",
                        "--operations-listen", "127.0.0.1:\(probe)", "--database-url",
                        CustodyProcess.url(market.database), "--migrations", TestStore.migrations,
                    ])
                try await eventually("the API is ready") {
                    #expect(serve.process.isRunning, "\(serve.errors.suffix(2000))")
                    return await Loopback.status(of: "http://127.0.0.1:\(probe)/readyz") == 200
                }
                // Nothing of WeChat Pay's is configured: all there is is what is downloaded.
                try await market.world.run { tx in
                    let link = try JSON(parsing: try await tx.link(.weChatPay)).members ?? []
                    try await tx.setLink(
                        .weChatPay,
                        configuration: JSON.object(
                            link.map { $0.name == "platform_keys" ? .init("platform_keys", []) : $0 }
                        ).bytes)
                    try await tx.startRefreshing()
                }
                let first = try worker(of: market, callbacks: port)
                try await eventually("the certificates are noted") { try await serials(market).count == 1 }
                let shop = try await market.shop()
                #expect(try await pay(market, shop) == "delivered", "\(serve.errors.suffix(2000))")
                first.signal(SIGTERM)
                #expect(try await first.end(within: .seconds(20)).status == 0)

                let added = try await market.weChatControl("POST", "/certificates", ["add": true])["added"]?.string
                let new = try #require(added)
                try await market.weChatControl("POST", "/certificates", ["sign_with": .string(new)])
                // The list was downloaded a while ago; a worker that begins now knows nothing of it.
                try await market.world.ageCertificates(by: .seconds(600))
                let second = try worker(of: market, callbacks: port)
                #expect(try await pay(market, shop) == "failed")
                #expect(serve.errors.contains("\"unknown_serial\""), "\(serve.errors.suffix(2000))")
                try await eventually("the new certificate is noted") {
                    try await Set(serials(market)).isSuperset(of: [new])
                }
                try await eventually("the repeated callback is taken") {
                    try await market.advance(.seconds(15))
                    let merchant = try await market.weChatControl("GET", "/merchants/\(SimulatedMarket.mchid)")
                    return merchant["callbacks"]?["delivered"]?.integer == 2
                }
                try await eventually("what it says is done") { try await market.world.openCallbacks() == 0 }

                for process in [second, serve] {
                    process.signal(SIGTERM)
                    #expect(try await process.end(within: .seconds(20)).status == 0)
                }
                #expect(try await market.world.violations() == [])
                #expect(try await market.lostJobs() == [])
            }
        }

        private func worker(of market: SimulatedMarket, callbacks port: Int) throws -> CustodyProcess {
            try CustodyProcess(
                [
                    "work", "--database-url", CustodyProcess.url(market.database),
                    "--callback-base-url", "http://127.0.0.1:\(port)/callbacks", "--concurrency", "4",
                    "--connections", "4",
                ])
        }

        private func serials(_ market: SimulatedMarket) async throws -> [String] {
            try await market.world.run { try await $0.platformCertificates(of: .weChatPay) }.map(\.serial)
        }

        /// Lets a buyer pay, and says what became of the first callback about it.
        private func pay(_ market: SimulatedMarket, _ shop: ID<SubMerchant>) async throws -> String? {
            let (_, payment) = try await market.placedPayment(shop, Fen(10_000))
            return try await market.weChatControl(
                "POST", "/pay",
                ["mchid": .string(SimulatedMarket.mchid), "out_trade_no": .string(payment.serial)])["callback"]?.string
        }
    }
}
