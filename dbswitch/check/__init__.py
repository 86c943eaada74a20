"""`dbswitch check`: would this commit or checkout lead to the wrong database or leak a secret?"""
