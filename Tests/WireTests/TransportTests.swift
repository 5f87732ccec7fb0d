import CustodyWire
import Foundation
import Testing

@Suite struct TransportTests {
    private func transport(_ json: String) throws -> Transport {
        try JSONDecoder().decode(Transport.Holder.self, from: Data(json.utf8)).transport
    }

    @Test func `a link that says nothing has the defaults`() throws {
        let transport = try transport(#"{"base_url": "https://bank.example"}"#)
        #expect(transport == Transport())
        #expect(transport.minimumTLS == .v12)
    }

    @Test func `every field is read`() throws {
        let transport = try transport(
            """
            {"transport": {"minimum_tls": "1.3", "ca_pem": "A", "client_certificate_pem": "C", "client_private_key_pem": "K",
             "proxy": "http://proxy.internal:3128", "source_address": "10.1.2.3", "address": "10.9.8.7",
             "connect_timeout_ms": 1, "idle_timeout_ms": 2, "total_timeout_ms": 3, "breaker_failures": 4,
             "breaker_pause_ms": 5, "rate_limits": [{"operation": "/v3/bill", "calls": 3}, {"calls": 20, "seconds": 60}],
             "callback_sources": ["101.226.103.0/25", "2001:db8::/32"]}}
            """
        )
        var expected = Transport()
        expected.minimumTLS = .v13
        (expected.authoritiesPEM, expected.certificatePEM, expected.privateKeyPEM) = ("A", "C", "K")
        (expected.sourceAddress, expected.address) = ("10.1.2.3", "10.9.8.7")
        expected.connectTimeout = .milliseconds(1)
        expected.idleTimeout = .milliseconds(2)
        expected.totalTimeout = .milliseconds(3)
        expected.breakerFailures = 4
        expected.breakerPause = .milliseconds(5)
        expected.rateRules = [
            .init(operation: "/v3/bill", calls: 3, per: .seconds(1)), .init(calls: 20, per: .seconds(60)),
        ]
        expected.callbackSources = try [
            #require(AddressRange("101.226.103.0/25")), #require(AddressRange("2001:db8::/32")),
        ]
        expected.proxy = transport.proxy
        #expect(transport == expected)
        #expect(transport.proxy?.kind == .http)
        #expect(transport.proxy?.host == "proxy.internal")
        #expect(transport.proxy?.port == 3128)
        #expect(!"\(transport)\(String(reflecting: transport))".contains("K\""))
    }

    @Test(arguments: [
        (#"{"minimum_tsl": "1.3"}"#, "minimum_tsl"), (#"{"minimum_tls": "1.1"}"#, "minimum_tls"),
        (#"{"client_certificate_pem": "C"}"#, "client_private_key_pem"),
        (#"{"client_private_key_pem": "K"}"#, "client_certificate_pem"), (#"{"proxy": "proxy:3128"}"#, "proxy"),
        (#"{"proxy": "https://proxy:3128"}"#, "proxy"), (#"{"proxy": "http://proxy"}"#, "proxy"),
        (#"{"proxy": "http://user:word@proxy:1"}"#, "proxy"), (#"{"source_address": "eth0"}"#, "source_address"),
        (#"{"address": "10.0.0.0/8"}"#, "address"), (#"{"connect_timeout_ms": 0}"#, "connect_timeout_ms"),
        (#"{"total_timeout_ms": 600001}"#, "total_timeout_ms"), (#"{"breaker_failures": 0}"#, "breaker_failures"),
        (#"{"rate_limits": [{"calls": 0}]}"#, "rate_limits"),
        (#"{"callback_sources": ["10.0.0.0/33"]}"#, "callback_sources"),
        (#"{"callback_sources": ["bank.example"]}"#, "callback_sources"),
    ])
    func `a field that is wrong is named, and its value is not`(json: String, field: String) throws {
        let error = #expect(throws: DecodingError.self) { try transport(#"{"transport": \#(json)}"#) }
        guard case .dataCorrupted(let context) = error else {
            Issue.record("\(String(describing: error))")
            return
        }
        #expect(context.codingPath.map(\.stringValue).contains(field))
        #expect(!context.debugDescription.contains("word"))
    }
}

@Suite struct AddressRangeTests {
    @Test(arguments: [
        ("101.226.103.0/25", "101.226.103.127", true), ("101.226.103.0/25", "101.226.103.128", false),
        ("81.71.199.64", "81.71.199.64", true), ("81.71.199.64", "81.71.199.65", false),
        ("0.0.0.0/0", "8.8.8.8", true), ("0.0.0.0/0", "2001:db8::1", false), ("::/0", "2001:db8::1", true),
        ("2001:db8::/33", "2001:db8:7fff::1", true), ("2001:db8::/33", "2001:db8:8000::1", false),
        ("10.0.0.0/8", "::ffff:10.9.8.7", true), ("10.0.0.0/8", "::ffff:11.9.8.7", false),
        ("10.0.0.0/8", "10.0.0", false),
        ("10.0.0.0/8", "", false), ("192.0.2.77/31", "192.0.2.76", true),
    ])
    func `an address lies in a range or does not`(range: String, address: String, isIn: Bool) throws {
        #expect(try #require(AddressRange(range)).contains(address) == isIn)
    }

    @Test(arguments: [
        "", "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0/8", "::/129", "10.0.0.0/8/8", "10.0.0.0/+8", "a",
    ])
    func `what is no range is refused`(text: String) {
        #expect(AddressRange(text) == nil)
    }
}
