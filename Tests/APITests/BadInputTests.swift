import CustodyAPI
import CustodyDomain
import CustodyStore
import CustodyWire
import Testing
import TestSupport

@Suite struct BadInputTests {
    static let malformed: [(String, [UInt8])] = [
        ("nothing", []), ("truncated", Array(#"{"out_order_no":"#.utf8)), ("not JSON", Array("amount=1".utf8)),
        ("a duplicate key", Array(#"{"amount":1,"amount":2}"#.utf8)),
        ("an escaped duplicate key", Array(#"{"amount":1,"\u0061mount":2}"#.utf8)),
        ("NUL, escaped", Array(#"{"description":"a\u0000b"}"#.utf8)),
        ("NUL, raw", Array("{\"description\":\"a\0b\"}".utf8)),
        ("bytes that are not UTF-8", Array(#"{"description":""#.utf8) + [0xFF, 0xFE] + Array("\"}".utf8)),
        ("half a surrogate pair", Array(#"{"description":"\ud800"}"#.utf8)),
        ("deep arrays", Array(repeating: UInt8(ascii: "["), count: 100_000)),
        ("a deep value", Array((String(repeating: "[", count: 40) + String(repeating: "]", count: 40)).utf8)),
        ("something behind it", Array("{} {}".utf8)), ("a byte-order mark", [0xEF, 0xBB, 0xBF] + Array("{}".utf8)),
        ("NaN", Array(#"{"amount":NaN}"#.utf8)),
    ]

    @Test(arguments: malformed) func `a body that is not our JSON is refused`(_ sample: (String, [UInt8])) async throws
    {
        try await APIBench.run { bench async throws in
            for path in ["/v1/orders", "/v1/sub-merchants", "/v1/orders/batch", "/v1/withdrawals", "/v1/test-clock"] {
                let answer = try await bench.send("POST", path, bytes: sample.1)
                #expect(answer.status == 400 && answer.code == "malformed_body", "\(sample.0) at \(path)")
                #expect(answer.headers["content-type"] == "application/problem+json")
                #expect(answer.json["request_id"]?.string == answer.headers["x-request-id"])
                #expect(answer.json["retryable"] == false)
            }
        }
    }

    @Test func `fields of the wrong type or range are named`() async throws {
        let good: [(String, JSON)] = [
            ("out_order_no", "W-1"), ("amount", 100), ("description", "x"),
            ("parts", [["payee": "platform", "amount": 100]]),
        ]
        let bad: [(String, JSON, String)] = [
            ("amount", 0, "/amount"), ("amount", -1, "/amount"), ("amount", "100", "/amount"),
            ("amount", .number("1.5"), "/amount"), ("amount", .number("1e2"), "/amount"),
            ("amount", .number("9223372036854775808"), "/amount"), ("amount", 10_000_000_000_001, "/amount"),
            ("amount", nil, "/amount"), ("amount", [], "/amount"), ("out_order_no", "", "/out_order_no"),
            ("out_order_no", .string(String(repeating: "x", count: 65)), "/out_order_no"),
            ("out_order_no", "a b", "/out_order_no"), ("out_order_no", 7, "/out_order_no"),
            ("description", "a\nb", "/description"),
            ("description", .string(String(repeating: "茶", count: 128)), "/description"),
            ("currency", "USD", "/currency"), ("parts", [], "/parts"), ("parts", [7], "/parts/0"),
            ("parts", [["payee": "platform"]], "/parts/0/amount"),
            ("parts", [["payee": "sub_1", "amount": 100]], "/parts/0/payee"),
            ("parts", [["payee": "platform", "amount": 100, "x~/y": 1]], "/parts/0/x~0~1y"),
            ("parts", [["payee": "platform", "amount": 100, "share_bp": 1]], "/parts/0/share_bp"),
            ("parts", [["payee": "platform", "share_bp": 10_001]], "/parts/0/share_bp"),
            ("split_mode", "later", "/split_mode"), ("expires_at", "tomorrow", "/expires_at"),
            ("expires_at", "2030-01-01 00:00:00", "/expires_at"), ("metadata", ["a": 1], "/metadata"),
            ("surprise", 1, "/surprise"),
        ]
        try await APIBench.run { bench async throws in
            for (name, value, pointer) in bad {
                let members = good.filter { $0.0 != name } + [(name, value)]
                let answer = try await bench.send(
                    "POST", "/v1/orders", .object(members.map { JSON.Member($0.0, $0.1) }))
                let code = value == 1 || pointer.contains("~") ? "unknown_field" : "invalid_field"
                #expect(answer.status == 400 && answer.code == code && answer.pointer == pointer, "\(name) \(value)")
            }
        }
    }

    @Test(arguments: [
        "limit=%2", "limit=%zz", "state=%FF", "state=%00", "limit=1&limit=1", "limit=1&%6Cimit=2",
        String(repeating: "&x=1", count: 2), (0...300).map { "x\($0)=1" }.joined(separator: "&"),
    ])
    func `a query that can be read in no way, or in two, is refused`(query: String) async throws {
        try await APIBench.run { bench async throws in
            for path in ["/v1/orders", "/v1/events", "/v1/discrepancies"] {
                // By hand: a client would mend it.
                let connection = try RawConnection(port: bench.ports.platform)
                try connection.send(
                    "GET \(path)?\(query) HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer \(bench.key)\r\nConnection: close\r\n\r\n"
                )
                let text = await connection.readAll(within: .seconds(10)).text
                #expect(text.hasPrefix("HTTP/1.1 400") && text.contains(#""code":"invalid_field""#), "\(path) \(text)")
                #expect(text.contains(#""pointer":"?""#), "\(path) \(text)")
            }
        }
    }

    @Test func `an unknown field is refused on every route that takes a body`() async throws {
        try await APIBench.run { bench async throws in
            let paths = [
                "/v1/orders/\(ID<Order>(at: Instant(seconds: 0)).text)/close",
                "/v1/sub-merchants/\(ID<SubMerchant>(at: Instant(seconds: 0)).text)/closure",
            ]
            for path in paths {
                let answer = try await bench.send("POST", path, ["surprise": 1])
                #expect(answer.status == 400 && answer.code == "unknown_field" && answer.pointer == "/surprise")
            }
        }
    }

    @Test func `a body over the limit is refused, said beforehand or not`() async throws {
        try await APIBench.run { bench async throws in
            let long = JSON.object([JSON.Member("description", .string(String(repeating: "x", count: 1 << 20)))])
            let answer = try await bench.send("POST", "/v1/orders", long)
            #expect(answer.status == 413 && answer.code == "body_too_large")
            // A batch may be longer: this one is refused for what it says, not for its length.
            #expect(try await bench.send("POST", "/v1/orders/batch", long).pointer == "/orders")
            let connection = try RawConnection(port: bench.ports.platform)
            try connection.send(
                "POST /v1/orders HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer \(bench.key)\r\nTransfer-Encoding: chunked\r\n\r\n"
            )
            let piece = "10000\r\n" + String(repeating: " ", count: 65_536) + "\r\n"
            for _ in 0..<17 { try? connection.send(piece) }
            let text = await connection.readAll(within: .seconds(10)).text
            #expect(text.hasPrefix("HTTP/1.1 413") && text.contains("body_too_large"))
        }
    }

    @Test func `an idempotency key must be a key`() async throws {
        try await APIBench.run { bench async throws in
            for key in [String(repeating: "k", count: 256), "a b", "\"\"", "ключ"] {
                let answer = try await bench.send(
                    "POST", "/v1/orders", bench.order(), headers: ["Idempotency-Key": key])
                #expect(answer.status == 400 && answer.pointer == "Idempotency-Key", "\(key)")
            }
        }
    }

    @Test func `a request's id is the caller's when it is fit for logs, and ours otherwise`() async throws {
        try await APIBench.run { bench async throws in
            let given = try await bench.send("GET", "/v1/orders", headers: ["X-Request-Id": "abc-1.2_3"])
            #expect(given.headers["x-request-id"] == "abc-1.2_3")
            let odd = try await bench.send("GET", "/v1/orders", headers: ["X-Request-Id": "a b\"c"])
            #expect(odd.headers["x-request-id"]?.hasPrefix("req_") == true)
        }
    }
}
