//! MQTT 3.1.1: the server side of one connection.
