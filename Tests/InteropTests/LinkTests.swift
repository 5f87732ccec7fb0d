import CustodyConnectors
import CustodyDomain
import CustodyWire
import Foundation
import Testing

/// The line out as OpenSSL sees it.
@Suite struct LinkTests {
    /// A server on OpenSSL and what it made for this run.
    private struct Server {
        let process: PeerProcess
        let port: Int
        let papers: JSON

        init(_ wanted: JSON = [:]) async throws {
            process = try Peer(environment: "crypto").start("tls_server", [wanted.text])
            guard let line = await process.line() else { throw Peer.Failure.failed(status: -1, errors: "no server") }
            papers = try JSON(parsing: line)
            port = Int(papers["port"]?.integer ?? 0)
        }

        /// What it says of its next request.
        func request() async throws -> JSON { try JSON(parsing: await process.line() ?? "") }

        var trusted: Transport {
            var transport = Transport()
            transport.authoritiesPEM = papers["ca_pem"]?.string
            transport.totalTimeout = .seconds(10)
            return transport
        }

        func call(_ transport: Transport, host: String = "127.0.0.1") async throws -> Result<Int, Doubt> {
            let lines = OutboundLines()
            let line = try lines.outbound(
                of: .init(owner: "ten_1", counterparty: "bank"), by: transport, host: host, documented: [])
            let result: Result<Int, Doubt>
            do throws(Doubt) {
                result = .success(try await line.call("GET", "https://\(host):\(port)/", headers: []).status)
            } catch { result = .failure(error) }
            await lines.shutdown()
            return result
        }
    }

    @Test func `the pinned authority is believed, and TLS 1.3 is spoken where both can`() async throws {
        let server = try await Server()
        #expect(try await server.call(server.trusted) == .success(200))
        #expect(try await server.request() == ["tls": "TLSv1.3", "client": .null])
    }

    @Test func `another authority than the pinned one is not believed, and nothing is sent`() async throws {
        let server = try await Server()
        var transport = server.trusted
        transport.authoritiesPEM = server.papers["other_ca_pem"]?.string
        #expect(try await server.call(transport).reason == .unreachable)
        // Nor the system's authorities, which do not know it.
        transport.authoritiesPEM = nil
        #expect(try await server.call(transport).reason == .unreachable)
    }

    @Test func `a certificate for another name is not believed`() async throws {
        let server = try await Server(["name_only": true])
        var transport = server.trusted
        transport.address = "127.0.0.1"
        #expect(try await server.call(transport, host: "bank.example") == .success(200))
        #expect(try await server.call(transport, host: "other.example").reason == .unreachable)
    }

    @Test(arguments: [("1.1", "1.2"), ("1.2", "1.3")])
    func `a counterparty below the floor is not spoken to`(offered: String, floor: String) async throws {
        let server = try await Server(["maximum": .string(offered)])
        var transport = server.trusted
        transport.minimumTLS = try #require(Transport.TLSVersion(rawValue: floor))
        #expect(try await server.call(transport).reason == .unreachable)
    }

    @Test func `TLS 1.2 is spoken where the floor allows it`() async throws {
        let server = try await Server(["maximum": "1.2"])
        #expect(try await server.call(server.trusted) == .success(200))
        #expect(try await server.request()["tls"] == "TLSv1.2")
    }

    @Test func `a counterparty that asks for our certificate gets it`() async throws {
        let server = try await Server(["require_client": true])
        var transport = server.trusted
        #expect(try await server.call(transport).reason != nil)
        transport.certificatePEM = server.papers["client_certificate_pem"]?.string
        transport.privateKeyPEM = server.papers["client_private_key_pem"]?.string
        #expect(try await server.call(transport) == .success(200))
        #expect(try await server.request()["client"] == "custody")
    }

    @Test func `calls go through the proxy, which looks the name up`() async throws {
        let server = try await Server()
        let proxy = try Peer(environment: "crypto").start("connect_proxy")
        let port = try #require(await proxy.line())
        var transport = server.trusted
        transport.proxy = try JSONDecoder().decode(
            Transport.Proxy.self, from: Data("\"http://127.0.0.1:\(port)\"".utf8))
        #expect(try await server.call(transport, host: "bank.example") == .success(200))
        #expect(await proxy.line() == "CONNECT bank.example:\(server.port)")
    }

    @Test func `a look at a line sees its addresses, its TLS and its certificate`() async throws {
        let server = try await Server(["days": 20])
        let now = WallClock.now()
        let sight = try await LinkProbe(transport: server.trusted, clock: { now })
            .look(at: "https://127.0.0.1:\(server.port)/", host: "127.0.0.1")
        #expect(sight.addresses == ["127.0.0.1"])
        #expect(sight.failure == nil)
        #expect(sight.status == 200)
        #expect(sight.tlsVersion == "1.3")
        #expect(sight.certificate?.subject.contains("bank.example") == true)
        let days = try #require(sight.certificate?.end) - now
        #expect((.seconds(19 * 86_400) ... .seconds(20 * 86_400)).contains(days))
        #expect(try abs(#require(sight.clockOffset).components.seconds) < 5)
    }

    @Test func `a look at a line with a wrong authority says that TLS failed`() async throws {
        let server = try await Server()
        var transport = server.trusted
        transport.authoritiesPEM = server.papers["other_ca_pem"]?.string
        let sight = try await LinkProbe(transport: transport, clock: WallClock.now)
            .look(at: "https://127.0.0.1:\(server.port)/", host: "127.0.0.1")
        #expect(sight.failure == .certificateNotBelieved)
        #expect(sight.status == nil)
    }
}

extension Result where Success == Int, Failure == Doubt {
    fileprivate var reason: Doubt.Reason? {
        if case .failure(let doubt) = self { doubt.reason } else { nil }
    }
}
