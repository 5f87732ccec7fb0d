// swift-tools-version: 6.2
import PackageDescription

/// What every target of ours is built with: Swift 6 mode, warnings as errors.
let strict: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
    .treatAllWarnings(as: .error),
]

let argumentParser = Target.Dependency.product(name: "ArgumentParser", package: "swift-argument-parser")
let crypto = Target.Dependency.product(name: "Crypto", package: "swift-crypto")
let cryptoExtras = Target.Dependency.product(name: "CryptoExtras", package: "swift-crypto")
let httpClient = Target.Dependency.product(name: "AsyncHTTPClient", package: "async-http-client")
let hummingbird = Target.Dependency.product(name: "Hummingbird", package: "hummingbird")
let hummingbirdHTTP2 = Target.Dependency.product(name: "HummingbirdHTTP2", package: "hummingbird")
let hummingbirdTLS = Target.Dependency.product(name: "HummingbirdTLS", package: "hummingbird")
let lifecycle = Target.Dependency.product(name: "ServiceLifecycle", package: "swift-service-lifecycle")
let logging = Target.Dependency.product(name: "Logging", package: "swift-log")
let metrics = Target.Dependency.product(name: "Metrics", package: "swift-metrics")
let nio = Target.Dependency.product(name: "NIOCore", package: "swift-nio")
let nioHTTP1 = Target.Dependency.product(name: "NIOHTTP1", package: "swift-nio")
let nioSSL = Target.Dependency.product(name: "NIOSSL", package: "swift-nio-ssl")
let nioPosix = Target.Dependency.product(name: "NIOPosix", package: "swift-nio")
let unixSignals = Target.Dependency.product(name: "UnixSignals", package: "swift-service-lifecycle")
let x509 = Target.Dependency.product(name: "X509", package: "swift-certificates")
let yams = Target.Dependency.product(name: "Yams", package: "Yams")

func library(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
    .target(name: name, dependencies: dependencies, swiftSettings: strict)
}

func tests(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
    .testTarget(name: name, dependencies: dependencies, swiftSettings: strict)
}

let package = Package(
    name: "custody",
    products: [.executable(name: "custody", targets: ["custody"])],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/apple/swift-certificates", from: "1.21.1"),
        .package(url: "https://github.com/apple/swift-crypto", from: "4.5.2"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
        .package(url: "https://github.com/apple/swift-metrics", from: "2.13.0"),
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.2"),
        .package(url: "https://github.com/apple/swift-nio-ssl", from: "2.37.6"),
        .package(url: "https://github.com/hummingbird-project/hummingbird", from: "2.28.1"),
        .package(url: "https://github.com/jpsim/Yams", from: "6.2.2"),
        .package(url: "https://github.com/swift-server/async-http-client", from: "1.37.0"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.13.0"),
    ],
    targets: [
        // Libraries of the system.
        .systemLibrary(name: "CLibpq", pkgConfig: "libpq", providers: [.apt(["libpq-dev"])]),
        .systemLibrary(name: "COpenSSL", pkgConfig: "libcrypto", providers: [.apt(["libssl-dev"])]),
        .systemLibrary(name: "CZlib", pkgConfig: "zlib", providers: [.apt(["zlib1g-dev"])]),

        // Pure: no NIO below this line until the edges.
        library("CustodyDomain", []),
        library("Postgres", ["CLibpq", logging]),
        library("ShangMi", ["COpenSSL"]),
        library("CustodyWire", ["CustodyDomain", "CZlib", "ShangMi", crypto, cryptoExtras, x509]),
        library("CustodyStore", ["CustodyDomain", "Postgres", crypto, cryptoExtras, logging]),

        // Edges.
        library(
            "CustodyConnectors",
            ["CustodyDomain", "CustodyWire", crypto, httpClient, logging, nio, nioHTTP1, nioPosix, nioSSL, x509]),
        library(
            "CustodySimulators",
            [
                "CustodyDomain", "CustodyWire", crypto, cryptoExtras, httpClient, hummingbird, lifecycle, logging, nio,
                nioHTTP1, nioSSL, x509,
            ]),
        library(
            "CustodyWorkers",
            [
                "CustodyConnectors", "CustodyDomain", "CustodyStore", "CustodyWire", crypto, httpClient, lifecycle,
                logging, metrics, nio, nioPosix,
            ]
        ),
        library(
            "CustodyAPI",
            [
                "CustodyDomain", "CustodyStore", "CustodyWire", crypto, hummingbird, hummingbirdHTTP2, hummingbirdTLS,
                lifecycle, logging, metrics, nio, nioSSL, yams,
            ]
        ),
        .executableTarget(
            name: "custody",
            dependencies: [
                "CustodyAPI", "CustodyConnectors", "CustodyDomain", "CustodySimulators", "CustodyStore", "CustodyWire",
                "CustodyWorkers", "Postgres", argumentParser, httpClient, lifecycle, logging, metrics, nio, unixSignals,
                yams,
            ],
            swiftSettings: strict
        ),

        // Tests.
        .target(
            name: "TestSupport",
            dependencies: [
                "CustodyConnectors", "CustodyDomain", "CustodySimulators", "CustodyStore", "CustodyWire", "Postgres",
                crypto, httpClient, logging,
            ],
            path: "Tests/TestSupport",
            swiftSettings: strict
        ),
        tests("DomainTests", ["CustodyDomain"]),
        tests("PostgresTests", ["Postgres", "TestSupport"]),
        tests("ShangMiTests", ["ShangMi"]),
        tests("WireTests", ["CustodyDomain", "CustodyWire", crypto]),
        tests("StoreTests", ["CustodyDomain", "CustodyStore", "Postgres", "TestSupport"]),
        tests(
            "ConnectorTests",
            ["CustodyConnectors", "CustodyDomain", "CustodySimulators", "CustodyWire", httpClient]
        ),
        // These run other people's software from .local/peers, which scripts/setup.sh installs.
        .testTarget(
            name: "InteropTests",
            dependencies: [
                "CustodyConnectors", "CustodyDomain", "CustodySimulators", "CustodyWire", "ShangMi", httpClient,
            ],
            exclude: ["Peers", "Scripts"],
            swiftSettings: strict
        ),
        tests("SimulatorTests", ["CustodySimulators", "CustodyWire", "CustodyDomain", httpClient]),
        tests(
            "WorkerTests",
            [
                "CustodyConnectors", "CustodyDomain", "CustodySimulators", "CustodyStore", "CustodyWire",
                "CustodyWorkers", "Postgres", "TestSupport", httpClient, lifecycle, logging,
            ]
        ),
        tests(
            "APITests",
            [
                "CustodyAPI", "CustodyConnectors", "CustodyDomain", "CustodyStore", "CustodyWire", "CustodyWorkers",
                "Postgres", "TestSupport", httpClient, lifecycle, logging, nio, nioHTTP1, nioSSL, yams,
            ]
        ),
        // These run the built executable: they find it beside themselves.
        tests(
            "EndToEndTests",
            [
                "CustodyConnectors", "CustodyDomain", "CustodySimulators", "CustodyStore", "CustodyWire", "Postgres",
                "TestSupport", crypto, httpClient,
            ]
        ),
        tests("TidyTests", []),
    ]
)
