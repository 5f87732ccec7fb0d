import AsyncHTTPClient
import CustodyWire
import Foundation
import NIOCore
import NIOHTTP1

/// Something the demo expected and did not see.
struct DemoFailure: Error, CustomStringConvertible {
    let description: String
}

/// The methods that the demo uses.
enum HTTPVerb: String, Sendable {
    case GET, POST, PUT
}

/// Calls JSON interfaces over HTTP, as a platform's back end or an operator's shell would.
struct DemoClient: Sendable {
    let client: HTTPClient

    /// Makes one call; any status but 2xx is a failure that says what was answered.
    @discardableResult
    func call(
        _ method: HTTPVerb, _ url: String, key: String? = nil, headers: [String: String] = [:], _ body: JSON? = nil
    ) async throws -> JSON {
        var request = HTTPClientRequest(url: url)
        request.method = .init(rawValue: method.rawValue)
        if let key { request.headers.add(name: "Authorization", value: "Bearer \(key)") }
        for (name, value) in headers { request.headers.add(name: name, value: value) }
        if let body {
            request.headers.add(name: "Content-Type", value: "application/json")
            request.body = .bytes(ByteBuffer(bytes: body.bytes))
        }
        let response = try await client.execute(request, timeout: .seconds(60))
        let bytes = Array(try await response.body.collect(upTo: 16 << 20).readableBytesView)
        guard (200..<300).contains(response.status.code) else {
            throw DemoFailure(
                description:
                    "\(method) \(url) answered \(response.status.code): \(String(decoding: bytes.prefix(500), as: UTF8.self))"
            )
        }
        return bytes.isEmpty ? .null : (try? JSON(parsing: bytes)) ?? .string(String(decoding: bytes, as: UTF8.self))
    }

    /// Reads all pages of a list.
    func list(_ url: String, key: String) async throws -> [JSON] {
        var (items, cursor): ([JSON], String?) = ([], nil)
        repeat {
            let mark = url.contains("?") ? "&" : "?"
            let page = try await call(.GET, url + mark + "limit=200" + (cursor.map { "&cursor=\($0)" } ?? ""), key: key)
            items += page["data"]?.array ?? []
            cursor = page["has_more"]?.bool == true ? page["next_cursor"]?.string : nil
        } while cursor != nil
        return items
    }
}

/// Waits until something is so.
func until(
    _ what: String, within limit: Duration = .seconds(60), every pause: Duration = .milliseconds(150),
    _ condition: () async throws -> Bool
) async throws {
    let deadline = ContinuousClock.now + limit
    while try await !condition() {
        guard ContinuousClock.now < deadline else { throw DemoFailure(description: "it never came to this: \(what)") }
        try await Task.sleep(for: pause)
    }
}

/// Runs work on many things, so many at a time.
func concurrently<Item: Sendable>(
    _ items: [Item], width: Int = 16, _ body: @escaping @Sendable (Item) async throws -> Void
) async throws {
    try await withThrowingTaskGroup(of: Void.self) { group in
        for (index, item) in items.enumerated() {
            if index >= width { try await group.next() }
            group.addTask { try await body(item) }
        }
        try await group.waitForAll()
    }
}
