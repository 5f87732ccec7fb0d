@testable import CustodyAPI
import CustodyDomain
import CustodyStore
import CustodyWire
import Foundation
import HTTPTypes
import Testing
import TestSupport

@Suite struct ContractTests {
    @Test func `every route is in the contract, and nothing else is`() async throws {
        let store = try await TestStore.make().store
        let routes = try APIServer.publicRoutes(
            store, contract: APIBench.contract, trail: RefusalTrail(store: store, logger: APIBench.quiet),
            logger: APIBench.quiet)
        let served = Set(routes.map { "\($0.method.rawValue.lowercased()) \($0.pattern)" })
        #expect(served.count == routes.count)
        #expect(served.subtracting(Contract.operations) == [])
        #expect(Contract.operations.subtracting(served) == [])
    }

    @Test func `every reference in the contract leads somewhere, and everything named is used`() throws {
        var used: Set<String> = []
        func walk(_ node: JSON) {
            if let target = node["$ref"]?.string {
                used.insert(target)
                #expect(Contract.resolved(node) != .null, "\(target)")
            }
            for member in node.members ?? [] { walk(member.value) }
            for element in node.array ?? [] { walk(element) }
        }
        walk(Contract.document)
        for kind in ["schemas", "parameters", "responses", "headers"] {
            for member in Contract.document["components"]?[kind]?.members ?? [] {
                #expect(used.contains("#/components/\(kind)/\(member.name)"), "\(kind) \(member.name)")
            }
        }
    }

    @Test func `every operation has its own id, and asks for a key unless it says otherwise`() throws {
        var ids: [String] = []
        for path in Contract.document["paths"]?.members ?? [] {
            for operation in path.value.members ?? [] {
                ids.append(operation.value["operationId"]?.string ?? "")
                let isOpen = operation.value["security"]?.array?.isEmpty == true
                #expect(isOpen == !path.name.hasPrefix("/v1/"), "\(path.name)")
                #expect(isOpen || operation.value["responses"]?["401"] != nil)
            }
        }
        #expect(Set(ids).count == ids.count && !ids.contains(""))
    }

    @Test func `the contract is served as it is, and as a page that needs nothing else`() async throws {
        try await APIBench.run { bench async throws in
            let file = try await bench.send("GET", "/openapi.yaml", key: "")
            #expect(file.status == 200 && file.body == APIBench.contract)
            let page = try await bench.send("GET", "/docs", key: "")
            let html = String(decoding: page.body, as: UTF8.self)
            #expect(page.status == 200 && page.headers["content-type"] == "text/html; charset=utf-8")
            for operation in ["createOrder", "createPayment", "listDiscrepancies"] {
                #expect(html.contains("<section id=\"\(operation)\">"))
            }
            #expect(!html.contains("<script") && !html.contains("http://") && !html.contains("https://"))
        }
    }

    @Test func `every code is in docs/errors.md, and none that does not exist`() throws {
        func source(_ path: String) throws -> String {
            let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
                .deletingLastPathComponent()
            return try String(contentsOf: root.appendingPathComponent(path), encoding: .utf8)
        }
        let listed = Set(
            try source("docs/errors.md").matches(of: #/\| `([a-z_]+)` \| [0-9]{3} \|/#).map { String($0.1) })
        let rejections = try source("Sources/CustodyDomain/Rejections/Rejection.swift")
        let problems = try source("Sources/CustodyAPI/HTTP/Problem.swift")
        var known = Set(rejections.matches(of: #/case \.\w+: "([a-z_]+)"/#).map { String($0.1) })
        known.formUnion(problems.matches(of: #/code: "([a-z_]+)"/#).map { String($0.1) })
        #expect(listed == known && known.count > 30)
    }
}
